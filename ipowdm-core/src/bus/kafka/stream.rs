//! The bytes to and from a broker: TCP, encrypted where the options say so.

use super::connection::WireError;
#[cfg(feature = "tls")]
pub(super) use super::tls::Encryption;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
#[cfg(feature = "tls")]
use std::boxed::Box;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio_rustls::client::TlsStream;

/// There is none in this build: what asks for it is refused when options are checked.
#[cfg(not(feature = "tls"))]
pub(super) enum Encryption {}

#[cfg(not(feature = "tls"))]
impl Encryption {
    pub(super) const fn new(_: &super::options::Tls) -> Result<Self, super::options::OptionsError> {
        Err(super::options::OptionsError::NO_TLS)
    }
}

/// A connection to a broker.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects; nothing is sent unencrypted where there is an `encryption`.
    pub(super) async fn connect(peer: &Arc<str>, encryption: Option<&Encryption>) -> Result<Self, WireError> {
        let unreachable = |source| WireError::Unreachable { peer: Arc::clone(peer), source };
        let stream = TcpStream::connect(&**peer).await.map_err(unreachable)?;
        // A request is written whole, in one call.
        stream.set_nodelay(true).map_err(unreachable)?;
        match encryption {
            None => Ok(Self::Plain(stream)),
            #[cfg(feature = "tls")]
            Some(encryption) => Ok(Self::Tls(Box::new(encryption.wrap(stream, peer).await?))),
            #[cfg(not(feature = "tls"))]
            Some(never) => match *never {},
        }
    }

    /// Whether nothing has arrived, not even the end. What belongs to the encryption itself (a ticket for the next session)
    /// is taken in and says nothing.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut room = ReadBuf::new(&mut byte);
        // Nobody else waits for this stream, and the next reader says anew who is to be woken.
        let mut nobody = Context::from_waker(Waker::noop());
        Pin::new(self).poll_read(&mut nobody, &mut room).is_pending()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
