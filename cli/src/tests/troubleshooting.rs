//! `docs/troubleshooting.md`, made of the texts of `modstore explain`. `make schema` writes it.

use std::{env, fs, path::PathBuf};

use crate::commands::explain::troubleshooting;

#[test]
fn the_troubleshooting_page_has_every_code_as_the_code_has_it() {
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/troubleshooting.md");
    let page = troubleshooting();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&place, &page).unwrap();
    }
    let written = fs::read_to_string(place).unwrap();
    assert!(written == page, "docs/troubleshooting.md is another; `make schema` writes it");
    for code in modstore_core::model::FailureCode::ALL {
        assert!(page.contains(&format!("\n### {code}\n")), "{code} has no anchor");
    }
}
