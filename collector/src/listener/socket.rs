//! The sockets a listener stands on, and the connections that come in through them.
//!
//! - **In:** a TCP socket, or the path of a Unix socket; with TLS on it or without.
//! - **Out:** connections that all look alike.
//! - **Guaranteed:** the file of a Unix socket that nobody serves any more is replaced, and nothing else is; it is
//!   removed at the end, unless somebody has put another in its place.
//! - **Not here:** what is said over the connections.

use std::{
    fs, io,
    net::IpAddr,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};
use tokio_rustls::server::TlsStream;

use super::tls::Tls;

/// Where connections come in.
#[derive(Debug)]
pub(crate) struct Entrance {
    socket: Socket,
    /// Spoken on each connection, if there.
    pub(super) tls: Option<Arc<Tls>>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

/// Removes the file when it is dropped.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

/// A connection as it was accepted.
#[derive(Debug)]
pub(crate) enum Raw {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection to serve requests on.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Raw),
    Tls(Box<TlsStream<Raw>>),
}

// === impl Entrance ===

impl Entrance {
    /// Listens at a path, for processes of the same user and group.
    ///
    /// # Errors
    /// Somebody serves it already, it is something else than a socket, or it cannot be made.
    pub(crate) fn unix(path: &Path) -> io::Result<Self> {
        remove_stale(path)?;
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(UNIX_MODE))?;
        let metadata = fs::symlink_metadata(path)?;
        let identity = (metadata.dev(), metadata.ino());
        let file = SocketFile { path: path.to_owned(), identity };
        Ok(Self { socket: Socket::Unix { listener, _file: file }, tls: None })
    }

    /// The same with TLS on each connection.
    pub(crate) fn with_tls(self, tls: Option<Arc<Tls>>) -> Self {
        Self { tls, ..self }
    }

    pub(super) async fn accept(&self) -> io::Result<Raw> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // An answer is one small segment that nothing follows: it must not wait for more.
                let _ = stream.set_nodelay(true);
                Ok(Raw::Tcp(stream))
            }
            Socket::Unix { listener, .. } => Ok(Raw::Unix(listener.accept().await?.0)),
        }
    }
}

impl From<TcpListener> for Entrance {
    fn from(listener: TcpListener) -> Self {
        Self { socket: Socket::Tcp(listener), tls: None }
    }
}

/// Removes what a process that is gone has left behind.
fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        let message = "there is a file at that path that is no socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

// === impl SocketFile ===

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity);
        if is_ours {
            // Whoever has removed it meanwhile has done our work.
            let _ = fs::remove_file(&self.path);
        }
    }
}

// === impl Raw, Stream ===

impl Stream {
    /// The other side's; a Unix socket has none.
    pub(super) fn address(&self) -> Option<IpAddr> {
        let raw = match self {
            Self::Plain(raw) => raw,
            Self::Tls(stream) => stream.get_ref().0,
        };
        match raw {
            Raw::Tcp(stream) => stream.peer_addr().ok().map(|address| address.ip().to_canonical()),
            Raw::Unix(_) => None,
        }
    }
}

macro_rules! forward {
    ($type:ty, $one:path, $other:path) => {
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                ctx: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $one(stream) => Pin::new(stream).poll_read(ctx, buffer),
                    $other(stream) => Pin::new(stream).poll_read(ctx, buffer),
                }
            }
        }

        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                ctx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $one(stream) => Pin::new(stream).poll_write(ctx, bytes),
                    $other(stream) => Pin::new(stream).poll_write(ctx, bytes),
                }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                ctx: &mut Context<'_>,
                slices: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $one(stream) => Pin::new(stream).poll_write_vectored(ctx, slices),
                    $other(stream) => Pin::new(stream).poll_write_vectored(ctx, slices),
                }
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $one(stream) => stream.is_write_vectored(),
                    $other(stream) => stream.is_write_vectored(),
                }
            }

            fn poll_flush(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $one(stream) => Pin::new(stream).poll_flush(ctx),
                    $other(stream) => Pin::new(stream).poll_flush(ctx),
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $one(stream) => Pin::new(stream).poll_shutdown(ctx),
                    $other(stream) => Pin::new(stream).poll_shutdown(ctx),
                }
            }
        }
    };
}

forward!(Raw, Raw::Tcp, Raw::Unix);
forward!(Stream, Stream::Plain, Stream::Tls);

/// Owner and group may connect.
const UNIX_MODE: u32 = 0o660;
