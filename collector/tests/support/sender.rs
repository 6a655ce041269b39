//! An OTLP sender over gRPC that sends the very bytes it is given.

use bytes::{Buf, BufMut, Bytes};
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::{Channel, Endpoint},
};

/// One connection to a collector.
#[derive(Clone)]
pub struct Sender {
    grpc: Grpc<Channel>,
}

/// Paths of the export methods.
pub const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
pub const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
pub const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

// === impl Sender ===

impl Sender {
    /// Connects.
    pub async fn connect(address: &str) -> Self {
        Self::try_connect(address).await.expect("the collector accepts connections")
    }

    /// Connects to a collector that may be gone.
    pub async fn try_connect(address: &str) -> Result<Self, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let channel = endpoint.connect().await?;
        Ok(Self { grpc: Grpc::new(channel).max_decoding_message_size(64 << 20) })
    }

    /// Sends one message and gives the answer's bytes.
    pub async fn export(&mut self, path: &'static str, message: impl Into<Bytes>) -> Result<Bytes, Status> {
        self.grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = http::uri::PathAndQuery::from_static(path);
        let response = self.grpc.unary(Request::new(message.into()), path, Raw).await?;
        Ok(response.into_inner())
    }
}

/// Messages as their very bytes.
#[derive(Clone, Copy, Debug)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
