//! Python's literals, as far as `repr` writes them: texts, numbers, `None`, `True`, `False`, and lists, tuples,
//! sets and dictionaries of these. Whatever else stands there is no literal.

/// So deep literals may be nested; a file made to break its reader is deeper.
const DEEPEST: usize = 16;

/// A value that a Python file has as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    None,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    /// A list, a tuple or a set.
    Sequence(Vec<Literal>),
    Mapping(Vec<(Literal, Literal)>),
}

impl Literal {
    /// The text that is one literal, and nothing but that.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text, depth: 0 };
        let literal = reader.literal()?;
        reader.is_done().then_some(literal)
    }

    /// The arguments of a call: what stands in parentheses, all of it literals by position.
    pub(super) fn arguments(text: &str) -> Option<Vec<Self>> {
        let mut reader = Reader { rest: text, depth: 0 };
        reader.take('(').then_some(())?;
        let (arguments, _) = reader.until(')')?;
        reader.is_done().then_some(arguments)
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A sequence of texts.
    pub(super) fn texts(&self) -> Option<Vec<&str>> {
        match self {
            Self::Sequence(items) => items.iter().map(Self::text).collect(),
            _ => None,
        }
    }

    /// A mapping whose keys are texts.
    pub(super) fn named(&self) -> Option<Vec<(&str, &Self)>> {
        match self {
            Self::Mapping(pairs) => {
                pairs.iter().map(|(key, value)| Some((key.text()?, value))).collect()
            }
            _ => None,
        }
    }
}

struct Reader<'t> {
    rest: &'t str,
    depth: usize,
}

impl Reader<'_> {
    fn is_done(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.is_empty() || self.rest.starts_with('#')
    }

    /// Whether the next sign is this one, which is then taken.
    fn take(&mut self, sign: char) -> bool {
        self.rest = self.rest.trim_start();
        let taken = self.rest.strip_prefix(sign);
        self.rest = taken.unwrap_or(self.rest);
        taken.is_some()
    }

    fn literal(&mut self) -> Option<Literal> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        self.rest = self.rest.trim_start();
        let literal = match self.rest.chars().next()? {
            '\'' | '"' => Literal::Text(self.text()?),
            '[' => self.sequence('[', ']')?,
            '(' => self.tuple()?,
            '{' => self.braces()?,
            _ => self.word()?,
        };
        self.depth -= 1;
        Some(literal)
    }

    fn sequence(&mut self, begin: char, end: char) -> Option<Literal> {
        self.take(begin).then_some(())?;
        self.until(end).map(|(items, _)| Literal::Sequence(items))
    }

    /// One value in parentheses is that value; a comma makes it a tuple.
    fn tuple(&mut self) -> Option<Literal> {
        self.take('(').then_some(())?;
        let (mut items, has_comma) = self.until(')')?;
        match items.len() {
            1 if !has_comma => items.pop(),
            _ => Some(Literal::Sequence(items)),
        }
    }

    /// The literals up to `end`, and whether there is a comma among or after them.
    fn until(&mut self, end: char) -> Option<(Vec<Literal>, bool)> {
        let (mut items, mut has_comma) = (Vec::new(), false);
        while !self.take(end) {
            if !items.is_empty() {
                self.take(',').then_some(())?;
                has_comma = true;
                if self.take(end) {
                    break;
                }
            }
            items.push(self.literal()?);
        }
        Some((items, has_comma))
    }

    /// A dictionary or a set.
    fn braces(&mut self) -> Option<Literal> {
        let before = self.rest;
        self.take('{').then_some(())?;
        let mut pairs = Vec::new();
        while !self.take('}') {
            if !pairs.is_empty() {
                self.take(',').then_some(())?;
                if self.take('}') {
                    break;
                }
            }
            let key = self.literal()?;
            if pairs.is_empty() && !self.rest.trim_start().starts_with(':') {
                self.rest = before;
                return self.sequence('{', '}');
            }
            self.take(':').then_some(())?;
            pairs.push((key, self.literal()?));
        }
        Some(Literal::Mapping(pairs))
    }

    fn word(&mut self) -> Option<Literal> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        match word {
            "None" => Some(Literal::None),
            "True" => Some(Literal::Bool(true)),
            "False" => Some(Literal::Bool(false)),
            number
                if number
                    .trim_start_matches(['-', '+'])
                    .starts_with(|c: char| c.is_ascii_digit()) =>
            {
                Some(Literal::Number(number.to_owned()))
            }
            _ => None,
        }
    }

    fn text(&mut self) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let mut chars = self.rest.strip_prefix(quote)?.chars();
        let mut text = String::new();
        loop {
            match chars.next()? {
                '\\' => text.push(escaped(&mut chars)?),
                '\n' => return None,
                sign if sign == quote => break,
                sign => text.push(sign),
            }
        }
        self.rest = chars.as_str();
        Some(text)
    }
}

/// What stands behind a backslash. A lone surrogate, by which Python writes a byte that is no text, is not understood.
fn escaped(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let digits = match chars.next()? {
        sign @ ('\\' | '\'' | '"') => return Some(sign),
        'n' => return Some('\n'),
        't' => return Some('\t'),
        'r' => return Some('\r'),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return None,
    };
    let (number, rest) = chars.as_str().split_at_checked(digits)?;
    *chars = rest.chars();
    char::from_u32(u32::from_str_radix(number, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Literal {
        Literal::Text(text.to_owned())
    }

    #[test]
    fn what_repr_writes_is_read_as_it_was_meant() {
        for (written, meant) in [
            ("'/a/b'", text("/a/b")),
            (r#""it's""#, text("it's")),
            (r"'\x7f \u202e \U0001f600 \\ \' \n'", text("\u{7f} \u{202e} \u{1f600} \\ ' \n")),
            ("'ü–名'", text("ü–名")),
            ("None", Literal::None),
            ("-1.5e+3", Literal::Number("-1.5e+3".into())),
            ("('a')", text("a")),
            ("('a',)", Literal::Sequence(vec![text("a")])),
            ("()", Literal::Sequence(vec![])),
            ("{}", Literal::Mapping(vec![])),
            ("{'a'}", Literal::Sequence(vec![text("a")])),
            ("{'a', 'b'}", Literal::Sequence(vec![text("a"), text("b")])),
            (
                "{'ns': [], 'a': ['b', True], }  # a remark",
                Literal::Mapping(vec![
                    (text("ns"), Literal::Sequence(vec![])),
                    (text("a"), Literal::Sequence(vec![text("b"), Literal::Bool(true)])),
                ]),
            ),
        ] {
            assert_eq!(Literal::read(written), Some(meant), "{written}");
        }
    }

    #[test]
    fn what_is_no_literal_is_never_taken_for_one() {
        for written in [
            "",
            "'",
            "'a",
            "a",
            "str",
            "'a' + 'b'",
            "f'a'",
            "os.getcwd()",
            "{'a': 'b'",
            "['a'",
            "{'a': b}",
            "{'a'; 'b'}",
            r"'\udc80'",
            r"'\q'",
            "'a' 'b'",
            "[1 2]",
            "{'a': 'b'} or {}",
        ] {
            assert_eq!(Literal::read(written), None, "{written}");
        }
        assert_eq!(Literal::read(&"[".repeat(100_000)), None);
    }

    #[test]
    fn the_arguments_of_a_call_are_read_one_by_one() {
        let read = Literal::arguments("({'a': 'b'}, None, False, [], '')").unwrap();
        assert_eq!(read.len(), 5);
        assert_eq!(read[0].named().unwrap(), [("a", &text("b"))]);
        assert_eq!(Literal::arguments("('a')"), Some(vec![text("a")]));
        assert_eq!(Literal::arguments("(a='b')"), None);
        assert_eq!(Literal::arguments("('a').more()"), None);
    }
}
