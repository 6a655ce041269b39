//! A connection to a destination, in the clear or over TLS, for hyper.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::TlsClient;

/// An open connection.
pub struct Stream {
    io: TokioIo<Box<dyn Io>>,
    /// The other side has chosen HTTP/2 by ALPN.
    is_h2: bool,
}

/// Bytes both ways.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

// === impl Stream ===

impl Stream {
    /// A connection in the clear.
    pub fn clear(socket: TcpStream) -> Self {
        Self { io: TokioIo::new(Box::new(socket)), is_h2: false }
    }

    /// The same with TLS on it, or without if `tls` is not given.
    ///
    /// # Errors
    /// The handshake fails.
    pub async fn open(socket: TcpStream, tls: Option<&TlsClient>, host: &str) -> io::Result<Self> {
        let Some(tls) = tls else { return Ok(Self::clear(socket)) };
        let secure = tls.connect(host, socket).await?;
        let is_h2 = secure.get_ref().1.alpn_protocol() == Some(H2);
        Ok(Self { io: TokioIo::new(Box::new(secure)), is_h2 })
    }

    /// Whether the other side has chosen HTTP/2.
    pub fn is_h2(&self) -> bool {
        self.is_h2
    }

    fn io(self: Pin<&mut Self>) -> Pin<&mut TokioIo<Box<dyn Io>>> {
        Pin::new(&mut self.get_mut().io)
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        if self.is_h2 { Connected::new().negotiated_h2() } else { Connected::new() }
    }
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.io().poll_read(ctx, buffer)
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.io().poll_write(ctx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(ctx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(ctx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_vectored(ctx, bytes)
    }
}

const H2: &[u8] = b"h2";
