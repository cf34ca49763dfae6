//! What bounds a connection: how many of them an address may have, and how long its client may take nothing.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::talk::Talk;

/// Connections of one address at a time, a quarter of all: a page has about ten, a proxy that serves several people
/// some more. This machine's own are not counted: a proxy or tunnel on it speaks for everybody.
pub(super) const OF_AN_ADDRESS: usize = 64;

/// Who has how many connections.
#[derive(Debug, Clone, Default)]
pub(super) struct Peers(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// A place among the connections of an address, free again once dropped.
#[derive(Debug)]
pub(super) struct Seat {
    peers: Peers,
    address: IpAddr,
}

impl Peers {
    /// A place for one more connection; `None` where the address has as many as it may.
    pub(super) fn seat(&self, address: IpAddr) -> Option<Seat> {
        let address = of_a_household(address);
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = seats.entry(address).or_default();
        if *taken >= OF_AN_ADDRESS && !address.is_loopback() {
            return None;
        }
        *taken += 1;
        Some(Seat { peers: self.clone(), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = seats.get_mut(&self.address) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&self.address);
            }
        }
    }
}

/// The address that counts. By IPv6 a household has 2^64 of them, of which the first half is the same.
fn of_a_household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        other => other,
    }
}

/// A connection that fails once its client has taken nothing for so long: it would hold its place for ever. The place
/// is free again once it is dropped, whatever has become of it: a WebSocket is the same connection.
#[derive(Debug)]
pub(super) struct Taken<T> {
    inner: T,
    within: Duration,
    /// Set while something waits to be taken.
    until: Option<Pin<Box<Sleep>>>,
    /// Told whether something waits to be taken.
    talk: Talk,
    _seat: Seat,
}

impl<T> Taken<T> {
    pub(super) fn within(inner: T, within: Duration, talk: Talk, seat: Seat) -> Self {
        Self { inner, within, until: None, talk, _seat: seat }
    }

    /// Bounds a wait of the inner connection.
    fn bounded<R>(&mut self, polled: Poll<io::Result<R>>, context: &mut Context<'_>) -> Poll<io::Result<R>> {
        self.talk.writes(polled.is_pending());
        if polled.is_ready() {
            self.until = None;
            return polled;
        }
        let within = self.within;
        let until = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        match until.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "it does not read"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Taken<T> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, bytes)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Taken<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.bounded(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(context, bytes);
        self.bounded(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(context);
        self.bounded(polled, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_shutdown(context);
        self.bounded(polled, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn an_address_has_so_many_connections_and_leaves_room_for_others() {
        let peers = Peers::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut seats: Vec<Seat> = (0..OF_AN_ADDRESS).map(|_| peers.seat(address("192.0.2.1")).unwrap()).collect();
        assert!(peers.seat(address("192.0.2.1")).is_none() && peers.seat(address("::ffff:192.0.2.1")).is_none());
        assert!(peers.seat(address("192.0.2.2")).is_some());
        seats.pop();
        seats.push(peers.seat(address("192.0.2.1")).expect("a place is free again"));
        seats.extend((0..OF_AN_ADDRESS).map(|last| peers.seat(address(&format!("2001:db8::{last:x}"))).unwrap()));
        assert!(peers.seat(address("2001:db8::ffff:1")).is_none(), "one household");
        assert!(peers.seat(address("2001:db8:0:1::1")).is_some());
        seats.extend((0..200).map(|_| peers.seat(address("127.0.0.1")).unwrap()));
        seats.extend((0..200).map(|_| peers.seat(address("::1")).unwrap()));
        drop(seats);
        assert!(peers.0.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_ends_and_one_that_takes_a_little_now_and_then_does_not() {
        let within = Duration::from_secs(10);
        let peers = Peers::default();
        let seat = || peers.seat("192.0.2.1".parse().unwrap()).unwrap();
        let (ours, theirs) = tokio::io::duplex(64);
        let talk = Talk::begun(Arc::default());
        let mut never = Taken::within(ours, within, talk.clone(), seat());
        assert_eq!(never.write_all(&[0; 65]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(theirs);
        let (ours, mut theirs) = tokio::io::duplex(64);
        assert!(!talk.is_idle(), "who does not take an answer has not had it");
        let talk = Talk::begun(Arc::default());
        let mut slow = Taken::within(ours, within, talk.clone(), seat());
        let reads = async {
            let mut bytes = [0; 16];
            for _ in 0..64 {
                tokio::time::sleep(within / 2).await;
                theirs.read_exact(&mut bytes).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(slow.write_all(&[0; 1_024]), reads);
        written.expect("it reads");
        assert!(talk.is_idle());
    }
}
