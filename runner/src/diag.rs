//! The kernel's own answer to "who listens on this port": `sock_diag(7)` walks the listening sockets alone, while
//! `/proc/net/tcp` walks the whole table of connections, which takes milliseconds on the emptiest of nodes.
//!
//! Layouts: linux/netlink.h (`nlmsghdr`), linux/inet_diag.h (`inet_diag_req_v2`, `inet_diag_msg`). All fields are in the
//! machine's byte order but ports and addresses, which are in the network's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

use crate::ports::Listener;

const HEADER: usize = 16;
const MESSAGE: usize = 72;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_DONE: u16 = 3;
/// NLM_F_REQUEST | NLM_F_DUMP.
const FLAGS: u16 = 0x301;
const IPPROTO_TCP: u8 = 6;
/// 1 << TCP_LISTEN.
const LISTENING: u32 = 1 << 10;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// Answers to one question; a port has few listeners, so this is never reached.
const MOST_ANSWERS: usize = 64;

/// All sockets that listen on `port` in this network namespace.
///
/// # Errors
/// The kernel has no such answer (it was built without it, or the container may not ask): look elsewhere.
pub(crate) fn listeners(port: u16) -> io::Result<Vec<Listener>> {
    let mut found = ask(AF_INET, port)?;
    found.extend(ask(AF_INET6, port)?);
    Ok(found)
}

fn ask(family: u8, port: u16) -> io::Result<Vec<Listener>> {
    // The answers stand ready when the question was taken: a wait would be for ever.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))?;
    sendto(&socket, &question(family, port), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut found = Vec::new();
    let mut buffer = vec![0; 32 * 1024];
    for _ in 0..MOST_ANSWERS {
        let (_, length) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        if read_answer(buffer.get(..length).unwrap_or_default(), port, &mut found)? {
            return Ok(found);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

fn question(family: u8, port: u16) -> Vec<u8> {
    // The socket's id is its source port; the other 46 bytes of it are open.
    const LENGTH: usize = HEADER + 8 + 48;
    let mut bytes = Vec::with_capacity(LENGTH);
    bytes.extend((LENGTH as u32).to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(FLAGS.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, IPPROTO_TCP, 0, 0]);
    bytes.extend(LISTENING.to_ne_bytes());
    bytes.extend(port.to_be_bytes());
    bytes.resize(LENGTH, 0);
    bytes
}

/// Reads the messages of one datagram. True: it was the last one.
fn read_answer(mut datagram: &[u8], port: u16, found: &mut Vec<Listener>) -> io::Result<bool> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    while !datagram.is_empty() {
        let length = u32_at(datagram, 0).and_then(|length| usize::try_from(length).ok()).ok_or_else(invalid)?;
        let message = datagram.get(..length).filter(|message| message.len() >= HEADER).ok_or_else(invalid)?;
        match u16_at(message, 4).ok_or_else(invalid)? {
            NLMSG_DONE => return Ok(true),
            SOCK_DIAG_BY_FAMILY => {
                let listener = message.get(HEADER..).and_then(read_listener).ok_or_else(invalid)?;
                // An old kernel may pass over the port in the question.
                if listener.port == port {
                    found.push(listener);
                }
            }
            // NLMSG_ERROR, or what nobody asked for.
            _ => return Err(invalid()),
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

fn read_listener(body: &[u8]) -> Option<Listener> {
    let body = body.get(..MESSAGE)?;
    let port = u16::from_be_bytes(body.get(4..6)?.try_into().ok()?);
    let address: [u8; 16] = body.get(8..24)?.try_into().ok()?;
    let address = match *body.first()? {
        AF_INET => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(address.get(..4)?).ok()?)),
        AF_INET6 => {
            let address = Ipv6Addr::from(address);
            address.to_ipv4_mapped().map_or(address.into(), Into::into)
        }
        _ => return None,
    };
    Some(Listener { address, port, inode: u32_at(body, 68)?.into() })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_kernel_names_what_the_tables_name() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let port = listener.local_addr().unwrap().port();
            let Ok(found) = listeners(port) else { return };
            assert_eq!(found, crate::ports::listed(port), "{address}");
            drop(listener);
            assert_eq!(listeners(port).unwrap(), []);
        }
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), length in 0..200_u32) {
            let _ = read_answer(&bytes, 80, &mut Vec::new());
            if let Some(start) = bytes.get_mut(..4) {
                start.copy_from_slice(&length.to_ne_bytes());
            }
            let _ = read_answer(&bytes, 80, &mut Vec::new());
        }
    }
}
