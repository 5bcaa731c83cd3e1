//! Keeps the prose of a file and replaces all else by a boundary that no phrase crosses. Line numbers stay the same.
//!
//! Limits: knows of Rust only comments and strings, and of Markdown only fences and backticks.

/// Stands where code was.
const BOUNDARY: char = '\u{1}';

/// Of Markdown: all but code in backticks, and of fenced blocks the text after `#`.
pub(crate) fn of_markdown(text: &str) -> String {
    let mut prose = String::new();
    let mut in_fence = false;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
            prose.push_str("\u{1}\n");
        } else if in_fence {
            let comment = line.split_once("# ").map_or("", |(_, comment)| comment.trim_end());
            prose.extend([BOUNDARY]);
            prose.push_str(comment);
            prose.push_str("\u{1}\n");
        } else {
            prose.push_str(line);
        }
    }
    without_code(&prose)
}

/// Of Rust: comments, texts of more than one word, and the names of functions that are sentences.
pub(crate) fn of_rust(source: &str) -> String {
    let mut reader = Reader { rest: source, prose: String::new() };
    while !reader.rest.is_empty() {
        reader.step();
    }
    without_code(&reader.prose)
}

/// Replaces what stands between two equal rows of backticks in one paragraph.
fn without_code(text: &str) -> String {
    let mut prose = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        let (before, from) = rest.split_at(start);
        let ticks = from.len() - from.trim_start_matches('`').len();
        let (fence, inside) = from.split_at(ticks);
        prose.push_str(before);
        let paragraph = inside.split("\n\n").next().unwrap_or(inside);
        let end = paragraph.find(fence);
        let code = end.map_or("", |end| &inside[..end]);
        prose.push(BOUNDARY);
        prose.extend(code.chars().filter(|letter| *letter == '\n'));
        rest = end.map_or(inside, |end| &inside[end + ticks..]);
    }
    prose.push_str(rest);
    prose
}

struct Reader<'a> {
    rest: &'a str,
    prose: String,
}

impl<'a> Reader<'a> {
    fn step(&mut self) {
        if self.rest.starts_with("//") {
            self.comment_line();
        } else if self.rest.starts_with("/*") {
            let comment = self.take_to("*/");
            self.prose.push_str(&comment[2..]);
        } else if let Some(end) = raw_text_end(self.rest) {
            let text = self.take(end);
            self.text(text);
        } else if self.rest.starts_with('"') {
            let end = plain_text_end(self.rest);
            let text = self.take(end);
            self.text(&text[1..text.len() - 1].replace("\\\n", " \n").replace("\\n", "\u{1}"));
        } else if let Some(end) = letter_end(self.rest) {
            self.take(end);
            self.prose.push(BOUNDARY);
        } else if let Some(name) = sentence_name(self.rest) {
            let code = self.take("fn ".len() + name.len());
            self.prose.push(BOUNDARY);
            self.prose.push_str(&code["fn ".len()..].replace('_', " "));
        } else {
            self.code();
        }
    }

    /// Marks of a comment are as white space, so that a phrase goes on in the next line.
    fn comment_line(&mut self) {
        let comment = self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        self.prose.push_str(comment.trim_start_matches(['/', '!']));
    }

    /// A text of one word is a name or a key.
    fn text(&mut self, text: &str) {
        self.prose.push(BOUNDARY);
        if text.trim().contains(' ') {
            self.prose.push_str(&without_placeholders(text));
        } else {
            self.prose.extend(text.chars().filter(|letter| *letter == '\n'));
        }
        self.prose.push(BOUNDARY);
    }

    fn code(&mut self) {
        // A whole identifier at once: `of` in `profile` and the r of `for"` begin nothing.
        let end = self.rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
        let code = self.take(
            end.unwrap_or(self.rest.len()).max(self.rest.chars().next().map_or(1, char::len_utf8)),
        );
        self.prose.push(if code.chars().all(char::is_whitespace) { ' ' } else { BOUNDARY });
        self.prose.extend(code.chars().filter(|letter| *letter == '\n'));
    }

    fn take_to(&mut self, end: &str) -> &'a str {
        let end = self.rest.find(end).map_or(self.rest.len(), |at| at + end.len());
        self.take(end)
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }
}

/// Where `r#"…"#` ends, if one begins here.
fn raw_text_end(source: &str) -> Option<usize> {
    let after = source.strip_prefix('r').or_else(|| source.strip_prefix("br"))?;
    let marks = after.len() - after.trim_start_matches('#').len();
    let inside = after[marks..].strip_prefix('"')?;
    let closing = format!("\"{}", "#".repeat(marks));
    let end = inside.find(&closing).unwrap_or(inside.len());
    Some((source.len() - inside.len() + end + closing.len()).min(source.len()))
}

fn plain_text_end(source: &str) -> usize {
    let mut is_escaped = false;
    for (at, letter) in source.char_indices().skip(1) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    source.len()
}

/// Where `'x'` ends; a lifetime is none.
fn letter_end(source: &str) -> Option<usize> {
    let inside = source.strip_prefix('\'')?;
    let escaped = inside.strip_prefix('\\');
    let from = escaped.map_or(0, |_| 2);
    let end = inside.get(from..)?.find('\'')? + from;
    (escaped.is_some() || inside[..end].chars().count() == 1).then_some(end + 2)
}

/// The name of a function that has at least four words, as those of tests do.
fn sentence_name(source: &str) -> Option<&str> {
    let after = source.strip_prefix("fn ")?;
    let end = after.find(|letter: char| !(letter.is_alphanumeric() || letter == '_'))?;
    let name = &after[..end];
    (name.matches('_').count() >= 3).then_some(name)
}

/// `{…}` is a value, and no word.
fn without_placeholders(text: &str) -> String {
    let mut prose = String::new();
    let mut depth = 0_usize;
    for letter in text.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 || letter == '\n' => prose.push(letter),
            _ => {}
        }
        if letter == '{' {
            prose.push(BOUNDARY);
        }
    }
    prose
}
