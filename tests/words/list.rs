//! The list, and finding its phrases in a text that is prose only.

/// Forms of "to be", which a pattern writes as `be+`.
const BE: [&str; 9] = ["is", "are", "was", "were", "be", "been", "being", "isn't", "aren't"];

/// Every phrase that prose does not use.
pub(crate) struct List(Vec<Entry>);

struct Entry {
    /// The words that are possible at each place.
    places: Vec<Vec<String>>,
    /// Words that let the phrase pass when they follow it, or stand before it.
    not_before: Vec<String>,
    not_after: Vec<String>,
    /// Whether no word may follow in the same clause.
    ends_a_clause: bool,
    instead: String,
}

/// One use of a phrase.
pub(crate) struct Found<'a> {
    /// Counted from 1; the line of the first word.
    pub(crate) line: usize,
    pub(crate) phrase: String,
    pub(crate) instead: &'a str,
}

struct Word {
    line: usize,
    text: String,
    /// Whether only white space within one paragraph is between it and the word before.
    follows: bool,
}

impl List {
    /// Reads `pattern | instead | why`, one a line.
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(Entry::parse).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Every phrase of the list in a text, in the text's order.
    pub(crate) fn find(&self, prose: &str) -> Vec<Found<'_>> {
        let words = words_of(prose);
        let mut found = Vec::new();
        for at in 0..words.len() {
            for entry in &self.0 {
                if let Some(phrase) = entry.phrase_at(&words, at) {
                    let line = phrase.first().map_or(0, |word| word.line);
                    let phrase =
                        phrase.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
                    found.push(Found { line, phrase, instead: &entry.instead });
                }
            }
        }
        found
    }
}

impl Entry {
    fn parse(line: &str) -> Self {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [pattern, instead, why] = fields[..] else {
            panic!("not `pattern | instead | why`: {line}")
        };
        assert!(!instead.is_empty() && !why.is_empty(), "nothing better, or no reason: {line}");
        let mut entry = Self {
            places: Vec::new(),
            not_before: Vec::new(),
            not_after: Vec::new(),
            ends_a_clause: false,
            instead: instead.to_owned(),
        };
        for part in pattern.split_whitespace() {
            if let Some(word) = part.strip_prefix("not:") {
                entry.not_before.push(word.to_owned());
            } else if let Some(word) = part.strip_prefix("after:") {
                entry.not_after.push(word.to_owned());
            } else if part == "end" {
                entry.ends_a_clause = true;
            } else if part == "be+" {
                entry.places.push(BE.map(str::to_owned).to_vec());
            } else {
                entry.places.push(part.split('/').map(str::to_owned).collect());
            }
        }
        entry
    }

    /// The phrase that begins with this word, if it is one of this entry.
    fn phrase_at<'a>(&self, words: &'a [Word], at: usize) -> Option<&'a [Word]> {
        let length = self.places.len();
        let phrase = words.get(at..at + length)?;
        let is_joined = phrase.iter().skip(1).all(|word| word.follows);
        let is_same =
            phrase.iter().zip(&self.places).all(|(word, place)| place.contains(&word.text));
        let next = words.get(at + length).filter(|word| word.follows);
        let before = at.checked_sub(1).and_then(|before| words.get(before));
        let passes = next
            .is_some_and(|word| self.ends_a_clause || self.not_before.contains(&word.text))
            || before.is_some_and(|word| self.not_after.contains(&word.text));
        (is_joined && is_same && !passes).then_some(phrase)
    }
}

/// Words are letters with the apostrophes and hyphens within them, in lower case.
fn words_of(prose: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let (mut line, mut ends, mut follows) = (1, 0, false);
    let mut text = String::new();
    for letter in prose.chars().chain(['\n']) {
        let is_within = letter.is_alphabetic() || (!text.is_empty() && "'’-".contains(letter));
        if is_within {
            text.extend(letter.to_lowercase());
            continue;
        }
        if !text.is_empty() {
            words.push(Word { line, text: std::mem::take(&mut text), follows });
            (ends, follows) = (0, true);
        }
        if letter == '\n' {
            line += 1;
            ends += 1;
        }
        // An empty line ends a paragraph. Emphasis is no boundary, every other character is.
        if ends > 1 || !(letter.is_whitespace() || "*_".contains(letter)) {
            follows = false;
        }
    }
    words
}
