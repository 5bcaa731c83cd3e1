//! Takes out of a text what is the person's: home, directories for temporary files, the user's and the machine's name.
//!
//! Limits: a name of one or two letters is left, since it stands in other words.

use std::path::Path;

/// What is taken out, with what stands for it, the longest first.
pub(super) struct Scrub(Vec<(String, &'static str)>);

impl Scrub {
    /// The scrub for texts of programs that ran in `place`.
    pub(super) fn new(place: &Path) -> Self {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let home = std::env::home_dir().unwrap_or_default();
        let temporary = std::env::temp_dir();
        Self::of(vec![
            (place.display().to_string(), "PLACE"),
            (temporary.display().to_string(), "TMP"),
            (home.display().to_string(), "HOME"),
            (node, "MACHINE"),
            (variable("USER"), "USER"),
            (variable("LOGNAME"), "USER"),
        ])
    }

    fn of(mut names: Vec<(String, &'static str)>) -> Self {
        names.retain(|(name, _)| name.len() > 2);
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self(names)
    }

    /// The text without any of it.
    pub(super) fn text(&self, text: &str) -> String {
        let replaced = |text: String, (name, other): &(String, &str)| text.replace(name, other);
        self.0.iter().fold(text.to_owned(), replaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_person_s_is_replaced_the_longest_first() {
        let names =
            [("/home/ada", "HOME"), ("/home/ada/tmp/x", "PLACE"), ("ada", "USER"), ("u", "USER")];
        let scrub = Scrub::of(names.map(|(name, other)| (name.to_owned(), other)).to_vec());
        let text = "could not read /home/ada/tmp/x/store: /home/ada is owned by ada";
        assert_eq!(scrub.text(text), "could not read PLACE/store: HOME is owned by USER");
    }
}
