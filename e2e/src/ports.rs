//! Free ports that stay free: a daemon that is down must find its ports again when it is restarted.
//!
//! Ports of the system's ephemeral range would be lost to any outgoing connection in the meantime, so each cluster claims a
//! block below that range by a file lock that lives as long as the claiming process.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
};

use crate::Error;

/// Enough for 11 fixed ports and 4 for each of 13 NodeManagers.
const BLOCK: u16 = 64;
const FROM: u16 = 12_032;
/// Linux gives out ephemeral ports from 32768 up.
const TO: u16 = 32_000;

/// A claimed block of ports.
#[derive(Debug)]
pub(crate) struct Ports {
    next: u16,
    end: u16,
    /// The lock is the claim.
    _claim: File,
}

impl Ports {
    /// Claims a block that no other cluster on this machine holds and in which no port is in use.
    pub(crate) fn claim() -> Result<Self, Error> {
        let directory = claims_directory();
        fs::create_dir_all(&directory).map_err(Error::file("create", &directory))?;
        for base in (FROM..TO).step_by(usize::from(BLOCK)) {
            let path = directory.join(base.to_string());
            // Another user's file, or a block in use: the next one.
            let Ok(claim) = File::options().create(true).append(true).open(&path) else { continue };
            if claim.try_lock().is_ok() && (base..base + BLOCK).all(is_free) {
                return Ok(Self { next: base, end: base + BLOCK, _claim: claim });
            }
        }
        Err(Error::NoPorts { from: FROM, to: TO })
    }

    /// The next port of the block.
    pub(crate) fn next(&mut self) -> Result<u16, Error> {
        if self.next == self.end {
            return Err(Error::NoPorts { from: self.end - BLOCK, to: self.end });
        }
        self.next += 1;
        Ok(self.next - 1)
    }
}

fn claims_directory() -> PathBuf {
    std::env::temp_dir().join("maas-e2e-ports")
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_claims_never_share_a_port_and_a_block_runs_out_with_an_error() {
        let (mut one, mut two) = (Ports::claim().unwrap(), Ports::claim().unwrap());
        let all: std::collections::BTreeSet<u16> =
            (0..BLOCK).flat_map(|_| [one.next().unwrap(), two.next().unwrap()]).collect();
        assert_eq!(all.len(), usize::from(BLOCK) * 2);
        assert!(matches!(one.next(), Err(Error::NoPorts { .. })));
    }
}
