//! What kind of machine this is: what was built on one of another kind may not run here.
//!
//! On Linux that is the processor, the C library and its version, as the program loader says it that this system's own programs
//! name: not what this program was made for, which may be static. Nothing is run to find out.
//!
//! Limits: a machine of which that cannot be read has no platform, so that it tells others of no build and takes none. What a
//! build takes from the system beside the C library (other libraries, processor features) is for `toolchain` to say.

use std::{path::Path, sync::OnceLock};

use crate::{disk::read_regular, model::Platform};

/// A program that every system has.
const SHELL: &str = "/bin/sh";

/// The most bytes of a program or a loader that are looked at.
const MOST: u64 = 16 << 20;

/// The platform of this machine, if that can be read.
pub(crate) fn this_platform() -> Option<&'static Platform> {
    static THIS: OnceLock<Option<Platform>> = OnceLock::new();
    let find = || match std::env::consts::OS {
        "linux" => linux(),
        "macos" => macos(),
        _ => None,
    };
    THIS.get_or_init(find).as_ref()
}

fn linux() -> Option<Platform> {
    let shell = read(Path::new(SHELL))?;
    let program = Program::of(&shell)?;
    let loader = Path::new(program.loader).canonicalize().ok()?;
    let libc = libc_of(program.loader, &read(&loader)?)?;
    format!("linux-{}-{libc}", program.processor).parse().ok()
}

fn macos() -> Option<Platform> {
    let plist = read(Path::new("/System/Library/CoreServices/SystemVersion.plist"))?;
    let text = String::from_utf8(plist).ok()?;
    format!("macos-{}-{}", std::env::consts::ARCH, product_version(&text)?).parse().ok()
}

fn read(path: &Path) -> Option<Vec<u8>> {
    read_regular(&path.canonicalize().ok()?, MOST).ok()
}

/// What a program's header says of where it runs.
#[derive(Debug, PartialEq, Eq)]
struct Program<'p> {
    processor: &'static str,
    /// The program that starts it.
    loader: &'p str,
}

impl<'p> Program<'p> {
    /// Of an ELF file of 64 bits, the lowest byte first.
    fn of(bytes: &'p [u8]) -> Option<Self> {
        let number = |at: usize, length: usize| {
            let bytes = bytes.get(at..at.checked_add(length)?)?;
            let value = bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
            usize::try_from(value).ok()
        };
        if !bytes.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let processor = match number(18, 2)? {
            62 => "x86_64",
            183 => "aarch64",
            243 => "riscv64",
            _ => return None,
        };
        let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        let headers = (0..count).filter_map(|header| table.checked_add(header * size));
        // The segment that names the loader has number 3.
        let mut named = headers.filter(|at| number(*at, 4) == Some(3));
        let at = named.next()?;
        let start = number(at.checked_add(8)?, 8)?;
        let end = start.checked_add(number(at.checked_add(32)?, 8)?)?;
        let loader = bytes.get(start..end)?.split(|byte| *byte == 0).next()?;
        Some(Self { processor, loader: std::str::from_utf8(loader).ok()? })
    }
}

/// The C library that has this loader, and its version.
fn libc_of(loader: &str, bytes: &[u8]) -> Option<String> {
    let name = loader.rsplit('/').next()?;
    if name.starts_with("ld-musl-") {
        // It is the library itself, and has its version as a text of its own.
        let mut texts = bytes.split(|byte| *byte == 0).filter_map(|text| str::from_utf8(text).ok());
        let is_version = |text: &&str| {
            text.len() < 12 && text.split('.').count() == 3 && text.split('.').all(is_number)
        };
        return texts.find(is_version).map(|version| format!("musl-{version}"));
    }
    let says = b"release version ";
    let at = bytes.windows(says.len()).position(|window| window == says)?;
    let rest = bytes.get(at + says.len()..)?;
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let version = str::from_utf8(rest.get(..length)?).ok()?.trim_end_matches('.');
    version.split('.').all(is_number).then(|| format!("glibc-{version}"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number of the system's release.
fn product_version(plist: &str) -> Option<&str> {
    let (_, rest) = plist.split_once("<key>ProductVersion</key>")?;
    let (_, rest) = rest.split_once("<string>")?;
    let number = rest.split(['.', '<']).next()?.trim();
    is_number(number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with nothing but the name of its loader.
    fn program(processor: u8, loader: &str) -> Vec<u8> {
        let mut bytes = vec![0; 120];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[18] = processor;
        (bytes[32], bytes[54], bytes[56]) = (64, 56, 1);
        bytes[64] = 3;
        bytes[72] = 120;
        bytes[96] = u8::try_from(loader.len() + 1).unwrap();
        [&bytes, loader.as_bytes(), b"\0"].concat()
    }

    #[test]
    fn a_program_says_for_which_processor_it_is_and_what_loads_it() {
        let loader = "/lib64/ld-linux-x86-64.so.2";
        let found = Program { processor: "x86_64", loader };
        assert_eq!(Program::of(&program(62, loader)), Some(found));
        assert_eq!(Program::of(&program(40, loader)), None);
        let whole = program(183, loader);
        for end in 0..whole.len() - 1 {
            assert_eq!(Program::of(&whole[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn the_version_of_the_c_library_counts() {
        let glibc =
            b"\0ld.so (Debian GLIBC 2.36-9+deb12u10) stable release version 2.36.\nCopyright";
        let glibc = libc_of("/lib64/ld-linux-x86-64.so.2", glibc);
        assert_eq!(glibc.as_deref(), Some("glibc-2.36"));
        let musl = b"x\0musl libc\0Version %s\x001.2.3\0" as &[u8];
        assert_eq!(libc_of("/lib/ld-musl-x86_64.so.1", musl).as_deref(), Some("musl-1.2.3"));
        for (loader, bytes) in [("/lib/ld.so", "version 2"), ("/lib/ld-musl-x.so.1", "1.2")] {
            assert_eq!(libc_of(loader, bytes.as_bytes()), None, "{loader}");
        }
    }

    #[test]
    fn the_release_of_a_mac_is_the_first_number_of_its_version() {
        let plist = "<dict>\n<key>ProductVersion</key>\n\t<string>15.1.1</string>\n</dict>";
        assert_eq!(product_version(plist), Some("15"));
        assert_eq!(product_version("<key>ProductVersion</key>"), None);
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn this_machine_has_a_platform_with_its_processor() {
        let platform = this_platform().unwrap().to_string();
        let expected = format!("linux-{}-", std::env::consts::ARCH);
        assert!(platform.starts_with(&expected), "{platform}");
    }
}
