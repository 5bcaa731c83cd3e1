//! CRC-64/NVME, by the names by which `object_store` calls `crc-fast`.
//!
//! The crate from crates.io has 50 checksums, and tables of 650 kB for processors without an instruction for them. `object_store` uses one, and
//! only where `AWS_CHECKSUM_ALGORITHM` asks for it. No linker can tell that the other tables are never read.
//!
//! Limits: the other checksums, and speed: a table of 2 kB, a byte at a time.

#![forbid(unsafe_code)]

/// The checksums that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrcAlgorithm {
    /// What S3 calls `CRC64NVME`.
    Crc64Nvme,
}

/// A checksum over what was given to [`update`](Self::update).
#[derive(Clone, Copy, Debug)]
pub struct Digest {
    state: u64,
}

impl Digest {
    /// Begins a checksum over nothing.
    #[must_use]
    pub fn new(algorithm: CrcAlgorithm) -> Self {
        match algorithm {
            CrcAlgorithm::Crc64Nvme => Self { state: u64::MAX },
        }
    }

    /// Takes more bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let [low, ..] = self.state.to_le_bytes();
            self.state = TABLE[usize::from(low ^ byte)] ^ (self.state >> 8);
        }
    }

    /// Gives the checksum over everything so far.
    #[must_use]
    pub fn finalize(&self) -> u64 {
        !self.state
    }
}

/// x⁶⁴ + … of NVM Express, lowest bit first.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;

/// What each byte makes of an empty state.
static TABLE: [u64; 256] = table();

const fn table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut state = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            state = if state & 1 == 1 { (state >> 1) ^ POLYNOMIAL } else { state >> 1 };
            bit += 1;
        }
        table[byte] = state;
        byte += 1;
    }
    table
}
