//! A proxy on loopback that fails as networks do: it cuts, it swallows silently, and it heals.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// What is to become of connections, which are numbered from 1 in the order in which they came.
#[derive(Debug, Clone, Copy, Default)]
struct Wish {
    /// Those up to this number are closed.
    cut: usize,
    /// Those up to this number carry nothing any more, and nobody is told.
    silent: usize,
    /// All connections carry nothing for now, new ones too; what they hold goes on when this is over.
    hold: bool,
}

impl Wish {
    const fn carries(self, number: usize) -> bool {
        !self.hold && number > self.silent
    }
}

/// A proxy in front of one server; it and its connections end when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    pub address: SocketAddr,
    wish: watch::Sender<Wish>,
    counts: Arc<Counts>,
    _runtime: Runtime,
}

#[derive(Debug, Default)]
struct Counts {
    made: AtomicUsize,
    /// The numbers of those that are open on both sides.
    open: Mutex<BTreeSet<usize>>,
}

impl Counts {
    fn open(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    pub fn start(server: SocketAddr) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let (address, wish, counts) = (listener.local_addr()?, watch::Sender::default(), Arc::<Counts>::default());
        let (wishes, counting, handle) = (wish.subscribe(), Arc::clone(&counts), runtime.handle().clone());
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = counting.made.fetch_add(1, Ordering::SeqCst) + 1;
                handle.spawn(connection(client, server, number, wishes.clone(), Arc::clone(&counting)));
            }
        });
        Ok(Self { address, wish, counts, _runtime: runtime })
    }

    /// Connections that are open and not silenced.
    pub fn live(&self) -> usize {
        let silent = self.wish.borrow().silent;
        self.counts.open().iter().filter(|number| **number > silent).count()
    }

    /// Connections that were ever made.
    pub fn made(&self) -> usize {
        self.counts.made.load(Ordering::SeqCst)
    }

    /// Closes every connection; new ones work. How many it hit.
    pub fn cut(&self) -> usize {
        let made = self.made();
        self.change(|wish| wish.cut = made)
    }

    /// Connections that are there carry nothing any more, for good; new ones work. How many it hit.
    pub fn silence(&self) -> usize {
        let made = self.made();
        self.change(|wish| wish.silent = made)
    }

    /// Nothing is carried, on new connections neither, until [`Self::heal`]. How many it hit.
    pub fn hold(&self) -> usize {
        self.change(|wish| wish.hold = true)
    }

    /// Ends [`Self::hold`].
    pub fn heal(&self) {
        self.change(|wish| wish.hold = false);
    }

    fn change(&self, change: impl FnOnce(&mut Wish)) -> usize {
        let hit = self.live();
        self.wish.send_modify(change);
        hit
    }
}

async fn connection(
    client: TcpStream,
    server: SocketAddr,
    number: usize,
    mut wishes: watch::Receiver<Wish>,
    counts: Arc<Counts>,
) {
    let mut cut = wishes.clone();
    let carried = async {
        // A server behind a network that carries nothing is not reached either.
        wishes.wait_for(|wish| wish.carries(number)).await.ok()?;
        let server = TcpStream::connect(server).await.ok()?;
        counts.open().insert(number);
        let _living = Living(Arc::clone(&counts), number);
        let ((client_in, client_out), (server_in, server_out)) = (client.into_split(), server.into_split());
        // The end of one direction is the end of both.
        tokio::select! {
            _ = carry(client_in, server_out, number, wishes.clone()) => {}
            _ = carry(server_in, client_out, number, wishes) => {}
        }
        Some(())
    };
    tokio::select! {
        _ = carried => {}
        _ = cut.wait_for(|wish| number <= wish.cut) => {}
    }
}

/// Counts a connection out when it ends, however it does.
struct Living(Arc<Counts>, usize);

impl Drop for Living {
    fn drop(&mut self) {
        self.0.open().remove(&self.1);
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: usize,
    mut wishes: watch::Receiver<Wish>,
) -> Option<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        // Not read while nothing is carried, so that not even the sender's end is noticed.
        wishes.wait_for(|wish| wish.carries(number)).await.ok()?;
        let count = from.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        wishes.wait_for(|wish| wish.carries(number)).await.ok()?;
        to.write_all(&buffer[..count]).await.ok()?;
    }
}
