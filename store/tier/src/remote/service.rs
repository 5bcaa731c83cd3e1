//! The HTTP of `object_store`, by our own client.

use std::{
    io::Read,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use bytes::Bytes as Piece;
use http_body::{Body as HttpBody, Frame};
use object_store::{
    ClientConfigKey, ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
        HttpResponse, HttpResponseBody, HttpService,
    },
};
use ureq::{
    Body,
    http::{Request, Uri},
};

use super::{
    client::{Client, io_fault},
    exchange::Exchange,
};

/// How much of a body is taken at once.
const PIECE: usize = 128 * 1024;

/// Why a request has no answer. What it was is noted in the call that it belongs to.
#[derive(Debug, thiserror::Error)]
#[error("the request failed")]
struct NoAnswer;

/// Makes the services that send requests.
#[derive(Debug)]
pub(super) struct Requests(pub(super) Client);

impl HttpConnector for Requests {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allows = options.get_config_value(&ClientConfigKey::AllowHttp);
        let plain = allows.as_deref() == Some("true");
        Ok(HttpClient::new(Requesting { client: self.0.clone(), plain }))
    }
}

#[derive(Debug)]
struct Requesting {
    client: Client,
    /// Whether any server may be asked without TLS.
    plain: bool,
}

#[async_trait]
impl HttpService for Requesting {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // Never a retry of `object_store`'s own, which would need a timer.
        let failed = || HttpError::new(HttpErrorKind::Unknown, NoAnswer);
        let (parts, body) = request.into_parts();
        if !self.plain && !is_safe(&parts.uri) {
            return Err(failed());
        }
        let body = whole(body).ok_or_else(failed)?;
        let answer = self.client.send(&Request::from_parts(parts, ()), &body);
        let (parts, body) = answer.map_err(|_| failed())?.into_parts();
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(Answered::new(body))))
    }
}

/// Whether what is sent there, a login among it, is seen by the server alone.
pub(super) fn is_safe(uri: &Uri) -> bool {
    let is_here = matches!(uri.host(), Some("localhost" | "[::1]"))
        || uri.host().is_some_and(|host| host.starts_with("127."));
    uri.scheme_str() == Some("https") || is_here
}

/// The bytes of a request's body, which are all there.
fn whole(mut body: HttpRequestBody) -> Option<Piece> {
    let mut context = Context::from_waker(Waker::noop());
    let mut pieces: Vec<Piece> = Vec::new();
    while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut context) {
        pieces.push(frame.ok()?.into_data().ok()?);
    }
    match pieces.len() {
        1 => pieces.pop(),
        _ => Some(pieces.concat().into()),
    }
}

/// The body of an answer. Reading it blocks the thread that asks for it.
struct Answered(Mutex<Box<dyn Read + Send>>);

impl Answered {
    fn new(body: Body) -> Self {
        Self(Mutex::new(Box::new(body.into_with_config().limit(u64::MAX).reader())))
    }
}

impl HttpBody for Answered {
    type Data = Piece;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, HttpError>>> {
        let mut piece = Vec::with_capacity(PIECE);
        let reader = self.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        Poll::Ready(match read_once(reader, &mut piece) {
            Ok(()) if piece.is_empty() => None,
            Ok(()) => Some(Ok(Frame::data(piece.into()))),
            Err(error) => {
                Exchange::current().fail(io_fault(&error));
                Some(Err(HttpError::new(HttpErrorKind::Unknown, NoAnswer)))
            }
        })
    }
}

/// What one read gives.
fn read_once(reader: &mut dyn Read, piece: &mut Vec<u8>) -> std::io::Result<()> {
    piece.resize(PIECE, 0);
    let read = reader.read(piece)?;
    piece.truncate(read);
    Ok(())
}
