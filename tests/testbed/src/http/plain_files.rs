//! A web server that knows nothing of git and gives out files.
//!
//! Limits: whole files, no listings of directories; nothing outside of the root.

use std::{
    fs::File,
    io,
    path::{Component, Path, PathBuf},
};

use super::{
    message::Request,
    reply::{Reply, Repositories},
};

/// The files below one directory.
#[derive(Debug)]
pub(crate) struct PlainFiles {
    root: PathBuf,
}

impl PlainFiles {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

impl Repositories for PlainFiles {
    fn answer(&self, request: &Request, _: Option<&str>) -> io::Result<Reply> {
        if request.method != "GET" {
            return Ok(Reply::failed(405));
        }
        let (path, _) = request.path_and_query();
        let name = Path::new(path.trim_start_matches('/'));
        let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
        let place = self.root.join(name);
        if !plain || !place.is_file() {
            return Ok(Reply::failed(404));
        }
        let headers = vec![("Content-Type".to_owned(), "application/octet-stream".to_owned())];
        Ok(Reply { status: 200, headers, body: Box::new(File::open(place)?) })
    }
}
