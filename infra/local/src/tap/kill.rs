//! Finds the process at the other end of a loopback connection and kills it (Linux only: it reads `/proc`).

use std::{fs, net::SocketAddr};

use rustix::process::{Pid, Signal, kill_process};

/// Kills the process that holds the client end of a connection; says whether there was one.
pub(crate) fn kill_peer(peer: SocketAddr, local: SocketAddr) -> bool {
    let Ok(table) = fs::read_to_string("/proc/net/tcp") else { return false };
    let Some(inode) = inode(&table, peer.port(), local.port()) else { return false };
    let Some(pid) = holder(&inode) else { return false };
    // The runner itself also talks to the tap (control calls, tests): it is never the target.
    pid.as_raw_nonzero().get().cast_unsigned() != std::process::id()
        && kill_process(pid, Signal::KILL).is_ok()
}

/// The socket inode of the connection from `from` to `to` in `/proc/net/tcp`.
fn inode(table: &str, from: u16, to: u16) -> Option<String> {
    let port = |address: &str| u16::from_str_radix(address.split(':').nth(1)?, 16).ok();
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it = port(fields.get(1)?) == Some(from) && port(fields.get(2)?) == Some(to);
        is_it.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    })
}

fn holder(inode: &str) -> Option<Pid> {
    let wanted = format!("socket:[{inode}]");
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(files) = fs::read_dir(entry.path().join("fd")) else { continue };
        let is_it = files.flatten().any(|file| {
            fs::read_link(file.path()).is_ok_and(|target| target.to_str() == Some(wanted.as_str()))
        });
        if is_it {
            return Pid::from_raw(pid);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inode_is_that_of_the_client_end() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:11D7 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 111 1\n\
             1: 0100007F:C350 0100007F:11D7 01 00000000:00000000 00:00000000 00000000     0        0 222 1\n";
        assert_eq!(inode(table, 50000, 4567).as_deref(), Some("222"));
        assert_eq!(inode(table, 50001, 4567), None);
    }
}
