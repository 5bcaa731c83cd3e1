//! "Did you mean": the known word that is spelled most like an unknown one.

/// How many letters must be put in, taken out or replaced to make one word of the other.
#[must_use]
pub fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (b, pair) in other.chars().zip(row.windows(2)) {
            let [diagonal, above] = pair else { continue };
            left = (left + 1).min(above + 1).min(diagonal + usize::from(a != b));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// The one of `known` that is spelled most like `word`, unless even that is quite another word. Small letters and capitals
/// count as the same.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let far = |known: &str| distance(&word, &known.to_lowercase());
    let (letters, near) = known.map(|known| (far(known), known)).min()?;
    let shortest = near.len().min(word.len());
    (letters <= 1 + near.len() / 4 && letters < shortest.max(1)).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_of_two_words_is_the_letters_to_change() {
        let table = [("", "", 0), ("source", "source", 0), ("sorce", "source", 1), ("a", "", 1)];
        for (one, other, letters) in table {
            assert_eq!(distance(one, other), letters, "{one} {other}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn another_word_altogether_is_not_suggested() {
        assert_eq!(nearest("provder", ["provider", "tool"].into_iter()), Some("provider"));
        assert_eq!(nearest("TOOL", ["provider", "tool"].into_iter()), Some("tool"));
        assert_eq!(nearest("tol", ["provider", "Tool"].into_iter()), Some("Tool"));
        assert_eq!(nearest("R", ["m", "r"].into_iter()), Some("r"));
        assert_eq!(nearest("weather", ["provider", "tool"].into_iter()), None);
        assert_eq!(nearest("l", ["m"].into_iter()), None, "no letter is the same");
    }
}
