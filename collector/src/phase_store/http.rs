//! The HTTP API of the phase store (requirements sections 3.1 and 3.2).
//!
//! - **Guaranteed:** whoever has no key learns only that; a body is bounded while it is read, and so
//!   are all bodies together; everything that is not a success is a problem document.
//! - **Not here:** the listener, TLS, and limits on connections: they belong to the port. Limits on
//!   the rate of requests (429) come with the rate limiter.

mod intake;
pub mod problem;
mod reading;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, Method, Uri, header};
use pipelines::engine::drain::Drain;
use serde_json::Value;

use self::problem::Problem;
use super::{
    Config, World,
    keys::{Access, Role, Secret},
    store::{Scope, Store},
};
use crate::{receivers::admission::Admission, telemetry::traces};

/// What the handlers share.
pub struct State {
    store: Arc<dyn Store>,
    world: World,
    drain: Drain,
    environment: String,
    body_bytes_max: u64,
    /// Bodies that may be in memory at a time.
    bodies: Admission,
}

/// The routes. They answer other methods themselves; other paths belong to who mounts them.
pub fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/api/v1/phases/store", post(intake::store))
        .route("/api/v1/phases/retrieve", get(reading::retrieve))
        .route("/api/v1/tasks", get(reading::tasks))
        .route("/api/v1/tasks/{task_id}", get(reading::task))
        .route_layer(from_fn(traces::served))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state)
}

/// Routes that only an operator may ask.
pub fn for_operators(state: Arc<State>, routes: Router) -> Router {
    routes.route_layer(from_fn(move |request: Request, next: Next| {
        let state = Arc::clone(&state);
        async move {
            match state.access(request.headers(), &[]).await {
                Ok(_) => next.run(request).await,
                Err(problem) => problem.into_response(),
            }
        }
    }))
}

/// The fallback of the whole port: a problem document for a path that does not exist.
pub async fn not_found(uri: Uri) -> Response {
    Problem::not_found(format!("there is nothing at {}", uri.path())).into_response()
}

/// What every door answers to a request of HTTP/1.1 that names no host, or more than one.
pub fn no_host() -> Response {
    Problem::no_host().into_response()
}

async fn method_not_allowed(method: Method) -> Response {
    Problem::method_not_allowed(&method).into_response()
}

fn json_answer(status: http::StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

// === impl State ===

impl State {
    pub(super) fn new(config: &Config, store: Arc<dyn Store>, world: World, drain: Drain) -> Self {
        let body_bytes_max = config.body_bytes_max.0;
        Self {
            store,
            world,
            drain,
            environment: config.environment.clone(),
            body_bytes_max,
            bodies: Admission::new(config.bodies_bytes_max()),
        }
    }

    /// What bodies take at the moment.
    pub(super) fn body_bytes(&self) -> u64 {
        self.bodies.bytes_in_use()
    }

    /// Whom the request comes from, if that one may do this.
    async fn access(&self, headers: &HeaderMap, allowed: &[Role]) -> Result<Access, Problem> {
        let text = key_of(headers)?;
        let unknown = || Problem::unauthenticated("the key is not known or was revoked");
        let secret = Secret::import(text).ok_or_else(unknown)?;
        let access = self.store.access(secret.digest()).await?.ok_or_else(unknown)?;
        if access.role == Role::Operator || allowed.contains(&access.role) {
            return Ok(access);
        }
        Err(Problem::forbidden(format!("a key of the role `{}` may not do this", access.role.as_str())))
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State")
    }
}

/// `x-api-key`, or `Authorization: Bearer`.
fn key_of(headers: &HeaderMap) -> Result<&str, Problem> {
    let missing = || Problem::unauthenticated("send a key in `x-api-key` or `Authorization: Bearer`");
    if let Some(key) = headers.get("x-api-key") {
        return key.to_str().map(str::trim).map_err(|_| missing());
    }
    let value =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    let (scheme, key) = value.trim().split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(key.trim()) } else { Err(missing()) }
}

/// What the owner of this key may see.
fn scope_of(access: &Access) -> Scope {
    let customer = (access.role != Role::Operator).then_some(access.customer);
    Scope { customer, owners: access.owners.clone() }
}
