//! Who listens on a port: the kernel names the sockets, `/proc/<pid>/fd` their holders.
//!
//! "The port answers" proves nothing: another container may have taken it first. The listener must belong to a
//! process below this one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use rustix::process::Pid;

use crate::{diag, process};

/// State LISTEN in `/proc/net/tcp`, column `st` (Linux, include/net/tcp_states.h).
const LISTEN: &str = "0A";

/// A listening TCP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listener {
    /// The address it is bound to; an IPv4 address mapped into IPv6 is given as IPv4.
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    /// By this its holders are found.
    pub(crate) inode: u64,
}

/// One process's hold on a listening socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: Pid,
    descriptor: PathBuf,
    inode: u64,
}

impl Holder {
    /// Whether it still holds the socket. Far cheaper than a look at the tables, which are as long as the node is busy.
    pub fn holds(&self) -> bool {
        is_socket(&self.descriptor, self.inode)
    }
}

/// What a look at a port found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// Callers of the address reach our own processes, and only these.
    Ours(Vec<Holder>),
    /// Nobody listens.
    Nobody,
    /// Our own process listens, but not on this address.
    ElsewhereBound(IpAddr),
    /// Callers would reach a process that is not below this one.
    Foreign,
}

/// All sockets that listen on `port` in this network namespace.
fn listeners(port: u16) -> Vec<Listener> {
    diag::listeners(port).unwrap_or_else(|_| listed(port))
}

/// The same by the tables. A line that does not parse is passed over.
pub(crate) fn listed(port: u16) -> Vec<Listener> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| parse_table(&table, port))
        .collect()
}

fn parse_table(table: &str, port: u16) -> Vec<Listener> {
    table.lines().skip(1).filter_map(parse_line).filter(|listener| listener.port == port).collect()
}

// Columns: sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode ...
fn parse_line(line: &str) -> Option<Listener> {
    let mut columns = line.split_ascii_whitespace();
    let local = columns.nth(1)?;
    if columns.nth(1)? != LISTEN {
        return None;
    }
    let inode = columns.nth(5)?.parse().ok()?;
    let (address, port) = local.split_once(':')?;
    Some(Listener { address: parse_address(address)?, port: u16::from_str_radix(port, 16).ok()?, inode })
}

// An address is printed as 32-bit words, each in the machine's byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(hex)?).into()),
        32 => {
            let mut bytes = Vec::with_capacity(16);
            for start in [0, 8, 16, 24] {
                bytes.extend(word(hex.get(start..start + 8)?)?);
            }
            let address = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
            Some(address.to_ipv4_mapped().map_or(address.into(), Into::into))
        }
        _ => None,
    }
}

/// The listeners that a caller of `address` can reach: those bound to it exactly win over wildcards, as in the
/// kernel's lookup. With SO_REUSEPORT there may be several, and each gets a share of the connections.
fn reachable(listeners: &[Listener], address: IpAddr) -> Vec<Listener> {
    let exact: Vec<_> = listeners.iter().filter(|listener| listener.address == address).copied().collect();
    if !exact.is_empty() {
        return exact;
    }
    let wildcard = |listener: &&Listener| match listener.address {
        IpAddr::V4(bound) => bound.is_unspecified() && address.is_ipv4(),
        // Whether it is IPv6 only can't be seen here; the connection attempt tells.
        IpAddr::V6(bound) => bound.is_unspecified(),
    };
    listeners.iter().filter(wildcard).copied().collect()
}

/// Says whom a caller of `address`:`port` reaches.
pub fn holding(address: IpAddr, port: u16) -> Holding {
    let all = listeners(port);
    if all.is_empty() {
        return Holding::Nobody;
    }
    match held_by(&all, address, &process::descendants_in_short()) {
        // What was not found in short may be there all the same.
        Holding::Foreign | Holding::ElsewhereBound(_) => held_by(&all, address, &process::descendants()),
        found => found,
    }
}

fn held_by(all: &[Listener], address: IpAddr, tree: &[Pid]) -> Holding {
    let ours = |listener: &Listener| {
        let holders: Vec<Holder> = tree.iter().filter_map(|pid| hold(*pid, listener.inode)).collect();
        (!holders.is_empty()).then_some(holders)
    };
    let reached = reachable(all, address);
    if reached.is_empty() {
        return match all.iter().find(|listener| ours(listener).is_some()) {
            Some(listener) => Holding::ElsewhereBound(listener.address),
            None => Holding::Foreign,
        };
    }
    reached.iter().map(ours).collect::<Option<Vec<_>>>().map_or(Holding::Foreign, |held| Holding::Ours(held.concat()))
}

fn hold(pid: Pid, inode: u64) -> Option<Holder> {
    let entries = std::fs::read_dir(format!("/proc/{}/fd", pid.as_raw_pid())).ok()?;
    let descriptor = entries.flatten().map(|entry| entry.path()).find(|path| is_socket(path, inode))?;
    Some(Holder { pid, descriptor, inode })
}

fn is_socket(descriptor: &Path, inode: u64) -> bool {
    std::fs::read_link(descriptor).is_ok_and(|target| target.as_os_str() == format!("socket:[{inode}]").as_str())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;

    fn at(address: &str) -> Listener {
        Listener { address: address.parse().unwrap(), port: 1, inode: 1 }
    }

    #[test]
    fn the_kernels_lines_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0\n   \
                     1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 20 4\n";
        let expected = Listener { address: "127.0.0.1".parse().unwrap(), port: 8080, inode: 4242 };
        assert_eq!(parse_table(table, 8080), [expected]);
        assert_eq!(parse_address("00000000000000000000000001000000"), Some("::1".parse().unwrap()));
        assert_eq!(parse_address("0000000000000000FFFF00000100007F"), Some("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_listener_of_this_very_process_is_seen_but_is_not_a_descendants() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listeners(port).len(), 1);
        assert_eq!(holding("127.0.0.1".parse().unwrap(), port), Holding::Foreign);
        drop(listener);
        assert_eq!(holding("127.0.0.1".parse().unwrap(), port), Holding::Nobody);
    }

    #[test]
    fn an_exact_address_wins_over_wildcards() {
        let all = [at("0.0.0.0"), at("10.0.0.7"), at("::")];
        assert_eq!(reachable(&all, "10.0.0.7".parse().unwrap()), [at("10.0.0.7")]);
        assert_eq!(reachable(&all, "10.0.0.8".parse().unwrap()), [at("0.0.0.0"), at("::")]);
        assert_eq!(reachable(&all, "fe80::1".parse().unwrap()), [at("::")]);
        assert_eq!(reachable(&[at("127.0.0.1")], "10.0.0.7".parse().unwrap()), []);
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "[ -~é]{0,200}", hex in "[0-9A-Fé]{0,40}") {
            let _ = parse_line(&line);
            let _ = parse_address(&hex);
        }
    }
}
