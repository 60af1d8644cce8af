//! One connection: frames in, answers out, in order, one at a time, as Apache Kafka serves them.

use std::future::pending;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::engine::Engine;
use crate::faults::{Effect, When};
use crate::handlers::{self, HangUp};
use crate::stats::bump;
use crate::wire::{self, Call, Opened, WireError};

/// A frame grows in steps of this size while it arrives, so its memory follows the bytes that are really sent.
const RECEIVE_STEP: usize = 64 << 10;

/// Serves a connection until it ends.
pub(crate) async fn serve(engine: &Engine, mut stream: TcpStream) {
    // Answers are written whole; waiting for more to send only adds latency.
    let _ = stream.set_nodelay(true);
    while serve_one(engine, &mut stream).await.is_ok() {}
}

/// Receives one frame and answers it.
async fn serve_one(engine: &Engine, stream: &mut TcpStream) -> Result<(), HangUp> {
    let length = receive_length(engine, stream).await?;
    let permits = u32::try_from(length).map_err(|_| HangUp)?;
    let in_flight = engine.frame_budget.acquire_many(permits).await.map_err(|_| HangUp)?;
    let frame = receive(engine, stream, length).await?;
    engine.counters.bytes_in.fetch_add(4 + u64::from(permits), Ordering::Relaxed);
    let answer = {
        let answering = answer(engine, frame);
        tokio::pin!(answering);
        // Polled in this order: a request that can be answered at once is, even if its sender has gone.
        tokio::select! {
            biased;
            answer = &mut answering => answer,
            () = hung_up(stream) => Err(HangUp),
        }
    };
    drop(in_flight);
    match answer? {
        None => Ok(()),
        Some(answer) => send(engine, stream, &answer).await,
    }
}

async fn receive_length(engine: &Engine, stream: &mut TcpStream) -> Result<usize, HangUp> {
    let mut prefix = [0; 4];
    match timeout(engine.limits().idle, stream.read_exact(&mut prefix)).await {
        Ok(read) => read.map_err(|_| HangUp)?,
        Err(_) => {
            bump(&engine.counters.timed_out);
            return Err(HangUp);
        }
    };
    match usize::try_from(i32::from_be_bytes(prefix)) {
        Ok(length) if length <= engine.limits().frame_bytes => Ok(length),
        _ => {
            bump(&engine.counters.oversized);
            Err(HangUp)
        }
    }
}

async fn receive(engine: &Engine, stream: &mut TcpStream, length: usize) -> Result<Bytes, HangUp> {
    let reading = async {
        let mut frame = BytesMut::with_capacity(length.min(RECEIVE_STEP));
        let mut rest = stream.take(length as u64);
        while frame.len() < length {
            frame.reserve((length - frame.len()).min(RECEIVE_STEP));
            if rest.read_buf(&mut frame).await.map_err(|_| HangUp)? == 0 {
                return Err(HangUp);
            }
        }
        Ok(frame.freeze())
    };
    timeout(engine.limits().transfer, reading).await.unwrap_or_else(|_| {
        bump(&engine.counters.timed_out);
        Err(HangUp)
    })
}

async fn send(engine: &Engine, stream: &mut TcpStream, answer: &[u8]) -> Result<(), HangUp> {
    match timeout(engine.limits().transfer, stream.write_all(answer)).await {
        Ok(Ok(())) => {
            engine.counters.bytes_out.fetch_add(answer.len() as u64, Ordering::Relaxed);
            Ok(())
        }
        Ok(Err(_)) => Err(HangUp),
        Err(_) => {
            bump(&engine.counters.timed_out);
            Err(HangUp)
        }
    }
}

/// Resolves when the client has closed the connection and left nothing to be read.
async fn hung_up(stream: &TcpStream) {
    match stream.peek(&mut [0]).await {
        Ok(0) | Err(_) => {}
        // The next request has arrived already; whether more follows cannot be seen from here.
        Ok(_) => pending().await,
    }
}

/// The whole way of one frame, faults included. `None` if no answer is due.
pub(crate) async fn answer(engine: &Engine, frame: Bytes) -> Result<Option<Bytes>, HangUp> {
    let malformed = |error: WireError| {
        engine.counters.unanswered(&error);
        HangUp
    };
    match wire::open(frame).map_err(malformed)? {
        Opened::UnknownApiVersions { correlation } => {
            handlers::versions_unknown(correlation).map(Some).map_err(malformed)
        }
        Opened::Call(call, body) => {
            engine.counters.request(call.api);
            let fault = engine.faults.strike(call.api, &call.client);
            answer_struck(engine, &call, body, fault).await?.map_err(malformed)
        }
    }
}

type Answer = Result<Option<Bytes>, WireError>;

async fn answer_struck(
    engine: &Engine,
    call: &Call,
    body: Bytes,
    fault: Option<Effect>,
) -> Result<Answer, HangUp> {
    let mut refusal = None;
    match fault {
        Some(Effect::Error(error)) => refusal = Some(error),
        Some(Effect::Delay(When::Before, time)) => sleep(time).await,
        Some(Effect::Silence(When::Before)) => pending().await,
        Some(Effect::Disconnect(When::Before)) => return Err(HangUp),
        _ => {}
    }
    let answer = handlers::answer(engine, call, body, refusal).await?;
    match fault {
        Some(Effect::Delay(When::After, time)) => sleep(time).await,
        Some(Effect::Silence(When::After)) => pending().await,
        Some(Effect::Disconnect(When::After)) => return Err(HangUp),
        _ => {}
    }
    Ok(answer)
}

#[cfg(test)]
mod tests;
