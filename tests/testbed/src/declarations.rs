//! The text of `modules.toml`, as a person writes it.

/// Declares modules by name and source.
pub fn modules_toml<N: AsRef<str>, S: AsRef<str>>(
    modules: impl IntoIterator<Item = (N, S)>,
) -> String {
    let module = |(name, source): (N, S)| {
        format!("[modules.{}]\nsource = \"{}\"\n\n", name.as_ref(), source.as_ref())
    };
    modules.into_iter().map(module).collect()
}
