//! [`Handshake`]: the first answer of a server, with its version, its capabilities, and in version 0 all its refs.
//!
//! gix reads the transport's part of it. The refs of version 0 are read here, because gix-protocol (0.68,
//! `handshake/refs/shared.rs`) makes an `InternalRef::SymbolicForLookup` of each `symref=` capability and removes it
//! only when a ref of that name follows; one left over reaches an `unreachable!`. A `HEAD` hidden by
//! `transfer.hideRefs` is enough for a server to stop our process that way.
//!
//! Limits: SHA-1 ids; a repository with others is refused by the name of its format.

use std::collections::HashMap;

use gix::{
    ObjectId,
    bstr::{BString, ByteSlice},
    protocol::handshake::Ref,
};
use gix_transport::{
    Protocol, Service,
    client::{
        Capabilities, Error,
        blocking_io::{ReadlineBufRead, SetServiceResponse, Transport},
    },
};

use crate::{
    errors::{ServerError, TransportError},
    transport::BoxedTransport,
};

/// The first answer of a server.
pub(crate) struct Handshake {
    pub version: Protocol,
    pub capabilities: Capabilities,
    /// All refs, in version 0.
    pub refs: Option<Vec<Ref>>,
}

/// The first answer is not one that can be used.
pub(crate) enum HandshakeFault {
    /// It could not be read.
    Unread(Error),
    /// The repository is in this format, whose ids are not SHA-1.
    Format(String),
}

impl HandshakeFault {
    /// The cause; `diagnose` finds it for an answer that could not be read.
    pub(crate) fn into_error(
        self,
        diagnose: impl FnOnce(&Error) -> TransportError,
    ) -> TransportError {
        match self {
            Self::Unread(error) => diagnose(&error),
            Self::Format(format) => ServerError::ObjectFormat(format).into(),
        }
    }
}

impl From<Error> for HandshakeFault {
    fn from(error: Error) -> Self {
        Self::Unread(error)
    }
}

impl Handshake {
    /// Asks for the upload-pack service, and reads the first answer.
    pub(crate) fn read(transport: &mut BoxedTransport) -> Result<Self, HandshakeFault> {
        let SetServiceResponse { actual_protocol, capabilities, refs } =
            transport.handshake(Service::UploadPack, &[])?;
        if let Some(format) = foreign_format(&capabilities) {
            return Err(HandshakeFault::Format(format));
        }
        let refs = refs.map(|mut lines| read_refs(lines.as_mut(), &capabilities)).transpose()?;
        Ok(Handshake { version: actual_protocol, capabilities, refs })
    }

    /// Whether a pack and an error can be distinguished in its answers, as far as there is anything to fetch.
    pub(crate) fn can_side_band(&self) -> bool {
        let can = |name| self.capabilities.contains(name);
        self.version == Protocol::V2
            || self.refs.as_ref().is_none_or(Vec::is_empty)
            || can("side-band")
            || can("side-band-64k")
    }

    /// Whether the server can give one commit without its history.
    pub(crate) fn can_shallow(&self) -> bool {
        match self.version {
            Protocol::V2 => {
                let fetch = self.capabilities.capability("fetch");
                fetch.and_then(|fetch| fetch.supports("shallow")).unwrap_or(false)
            }
            _ => self.capabilities.contains("shallow"),
        }
    }
}

/// The format of the repository's ids, where SHA-1 is not among those that the server offers.
fn foreign_format(capabilities: &Capabilities) -> Option<String> {
    let offered = capabilities.iter().filter(|each| each.name() == "object-format");
    let formats: Vec<String> =
        offered.filter_map(|each| Some(each.value()?.to_str_lossy().into_owned())).collect();
    let is_ours = |format: &String| format.eq_ignore_ascii_case("sha1");
    let first = formats.iter().find(|_| !formats.iter().any(is_ours))?;
    let is_sha256 = first.eq_ignore_ascii_case("sha256");
    Some(if is_sha256 { "SHA-256".to_owned() } else { first.chars().take(32).collect() })
}

fn read_refs(
    lines: &mut dyn ReadlineBufRead,
    capabilities: &Capabilities,
) -> Result<Vec<Ref>, Error> {
    let targets: HashMap<BString, BString> = capabilities
        .iter()
        .filter(|each| each.name() == "symref")
        .filter_map(|each| {
            each.value()?.split_once_str(":").map(|(from, to)| (from.into(), to.into()))
        })
        .collect();
    let mut refs = Vec::new();
    while let Some(line) = lines.readline() {
        let line = line?.map_err(|err| Error::Capabilities { err })?;
        let Some(text) = line.as_bstr() else { break };
        read_ref(text.trim_end(), &targets, &mut refs).ok_or(Error::ExpectedLine("ref"))?;
    }
    Ok(refs)
}

/// Adds the ref of `line` to `refs`; `None` if the line is malformed.
fn read_ref(line: &[u8], targets: &HashMap<BString, BString>, refs: &mut Vec<Ref>) -> Option<()> {
    let (id, name) = line.split_once_str(" ")?;
    if id == b"shallow" || name == b"capabilities^{}" {
        return Some(());
    }
    let object = ObjectId::from_hex(id).ok()?;
    let name = name.as_bstr();
    let Some(tag_name) = name.strip_suffix(b"^{}") else {
        let full_ref_name = name.to_owned();
        refs.push(match targets.get(name) {
            Some(target) => {
                Ref::Symbolic { full_ref_name, target: target.clone(), tag: None, object }
            }
            None => Ref::Direct { full_ref_name, object },
        });
        return Some(());
    };
    // The line before named the tag; `^{}` names the object that the tag leads to.
    let peeled = match refs.pop()? {
        Ref::Direct { full_ref_name, object: tag } if full_ref_name == tag_name => {
            Ref::Peeled { full_ref_name, tag, object }
        }
        Ref::Symbolic { full_ref_name, target, object: tag, .. } if full_ref_name == tag_name => {
            Ref::Symbolic { full_ref_name, target, tag: Some(tag), object }
        }
        _ => return None,
    };
    refs.push(peeled);
    Some(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use gix::protocol::handshake::Ref;

    use super::read_ref;

    #[test]
    fn a_line_that_is_no_ref_is_refused_and_does_no_harm() {
        let id = "1".repeat(40);
        for (line, good) in [
            (format!("{id} refs/heads/x"), true),
            (format!("{id} refs/tags/x^{{}}"), false),
            (format!("{id} capabilities^{{}}"), true),
            (format!("shallow {id}"), true),
            (id.clone(), false),
            ("zz refs/heads/x".to_owned(), false),
            (String::new(), false),
        ] {
            let result = read_ref(line.as_bytes(), &HashMap::new(), &mut Vec::new());
            assert_eq!(result.is_some(), good, "{line}");
        }
    }

    #[test]
    fn a_symbolic_ref_to_a_tag_is_followed_to_what_the_tag_names() {
        let targets = HashMap::from([("HEAD".into(), "refs/tags/x".into())]);
        let tag = "1".repeat(40);
        let commit = "2".repeat(40);
        let mut refs = Vec::new();
        for line in [format!("{tag} HEAD"), format!("{commit} HEAD^{{}}")] {
            read_ref(line.as_bytes(), &targets, &mut refs).unwrap();
        }
        let [Ref::Symbolic { tag: Some(seen), object, .. }] = refs.as_slice() else {
            panic!("{refs:?}")
        };
        assert_eq!((seen.to_string(), object.to_string()), (tag, commit));
    }
}
