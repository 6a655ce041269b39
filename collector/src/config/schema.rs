//! The JSON schema of the whole configuration, for editors and other programs.
//!
//! - **In:** the types that files are read into; their comments become descriptions.
//! - **Out:** a schema of draft 7, which most editors understand, and all in one piece.
//! - **Guaranteed:** a file that is read without an error fits the schema. It takes what the reader takes: a reference
//!   such as `${env:NAME}` anywhere, a key without a value, a number or a truth value where text is wanted.
//! - **Not here:** what only checks know, such as which pipeline may name which component.

use schemars::{
    JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, transform::transform_subschemas,
};
use serde_json::{Map, Value, json};

use super::{
    extensions,
    names::{COMPONENTS, Class, Component, Stability},
    service::PipelineFile,
    telemetry::Telemetry,
};
use crate::{phase_store, receivers};

/// The schema, with everything that may be written.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut generator = settings.into_generator();
    let mut sections = Map::new();
    for class in Class::ALL {
        let mut ids = Map::new();
        let usable = COMPONENTS.iter().filter(|component| component.stability != Stability::Planned);
        for component in usable.filter(|component| component.class == class) {
            let schema = of_component(component, &mut generator);
            let schema = schema.expect("the test of this file goes through all components");
            ids.insert(id_pattern(component), schema.to_value());
        }
        sections.insert(class.section().to_owned(), mapping(ids));
    }
    sections.insert("service".to_owned(), service(&mut generator));
    let mut root = Schema::from(Map::new());
    root.insert("type".to_owned(), json!("object"));
    root.insert("properties".to_owned(), Value::Object(sections));
    root.insert("additionalProperties".to_owned(), json!(false));
    as_the_reader_takes_it(&mut root);
    let mut whole = Map::from_iter([
        ("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#")),
        ("title".to_owned(), json!("Configuration of Phasor")),
    ]);
    whole.extend(root.as_object().cloned().unwrap_or_default());
    Value::Object(whole)
}

/// The keys of one component. Each kind that a section reads has its line here.
fn of_component(component: &Component, generator: &mut SchemaGenerator) -> Option<Schema> {
    fn keys<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
    let keys = match (component.class, component.name) {
        (Class::Receiver, "otlp") => keys::<receivers::otlp::Config>,
        (Class::Receiver, "phase_store") => keys::<phase_store::Config>,
        (Class::Processor, "attributes") => keys::<pipelines::processors::attributes::Config>,
        (Class::Processor, "batch") => keys::<pipelines::processors::batch::Config>,
        (Class::Processor, "memory_limiter") => keys::<pipelines::processors::memory_limiter::Config>,
        (Class::Processor, "resource") => keys::<pipelines::processors::resource::Config>,
        (Class::Connector, "event_metrics") => keys::<pipelines::connectors::event_metrics::Config>,
        (Class::Connector, "span_metrics") => keys::<pipelines::connectors::span_metrics::Config>,
        (Class::Exporter, "otlp_grpc") => keys::<exporters::otlp_grpc::Config>,
        (Class::Exporter, "otlp_http") => keys::<exporters::otlp_http::Config>,
        (Class::Exporter, "file") => keys::<exporters::file::Config>,
        (Class::Exporter, "debug") => keys::<exporters::debug::Config>,
        (Class::Exporter, "prometheus") => keys::<exporters::prometheus::Config>,
        (Class::Extension, "health_check") => keys::<extensions::HealthCheck>,
        (Class::Extension, "file_storage") => keys::<extensions::FileStorage>,
        (Class::Extension, "bearertokenauth") => keys::<exporters::auth::BearerTokenAuth>,
        (Class::Extension, "basicauth") => keys::<exporters::auth::BasicAuth>,
        _ => return None,
    };
    Some(keys(generator))
}

/// `type` or `type/name`, under each name of the type.
fn id_pattern(component: &Component) -> String {
    let names: Vec<_> = [component.name].iter().chain(component.aliases).copied().collect();
    format!("^({})(/.+)?$", names.join("|"))
}

fn mapping(patterns: Map<String, Value>) -> Value {
    json!({"type": "object", "patternProperties": patterns, "additionalProperties": false})
}

fn service(generator: &mut SchemaGenerator) -> Value {
    let pipeline = generator.subschema_for::<PipelineFile>().to_value();
    let pipelines = Map::from_iter([("^(traces|metrics|logs)(/.+)?$".to_owned(), pipeline)]);
    json!({
        "type": "object",
        "properties": {
            "extensions": generator.subschema_for::<Vec<String>>().to_value(),
            "pipelines": mapping(pipelines),
            "telemetry": generator.subschema_for::<Telemetry>().to_value(),
        },
        "additionalProperties": false,
    })
}

/// What the derived schema says, widened to what `typed` reads.
fn as_the_reader_takes_it(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("format");
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(words)) = object.get_mut("oneOf") {
        // An enum whose variants are described.
        words.push(reference());
        words.push(json!({"type": "null"}));
        return;
    }
    if let Some(words) = object.remove("enum") {
        object.remove("type");
        object.insert("anyOf".to_owned(), json!([{"enum": words}, reference(), {"type": "null"}]));
        return;
    }
    let types: Option<Vec<Value>> = match object.get("type") {
        Some(Value::String(one)) => Some(vec![json!(one)]),
        Some(Value::Array(several)) => Some(several.clone()),
        _ => None,
    };
    if let Some(types) = types {
        let types = widened(types, object);
        object.insert("type".to_owned(), types);
    }
    transform_subschemas(&mut as_the_reader_takes_it, schema);
}

/// The types of a value as it may be written.
fn widened(mut types: Vec<Value>, object: &mut Map<String, Value>) -> Value {
    let has = |types: &[Value], name: &str| types.iter().any(|one| one == name);
    match object.get("pattern").and_then(Value::as_str) {
        Some(pattern) => {
            let pattern = format!(r"{pattern}|{REFERENCE}");
            object.insert("pattern".to_owned(), json!(pattern));
        }
        // Where text is wanted, a number or a truth value is read as it is written.
        None if has(&types, "string") => types.extend([json!("number"), json!("boolean")]),
        None => {
            types.push(json!("string"));
            object.insert("pattern".to_owned(), json!(REFERENCE));
        }
    }
    types.push(json!("null"));
    let mut unique = Vec::new();
    for one in types {
        if !unique.contains(&one) {
            unique.push(one);
        }
    }
    json!(unique)
}

fn reference() -> Value {
    json!({"type": "string", "pattern": REFERENCE})
}

/// Begins a reference; elsewhere a dollar sign is doubled.
const REFERENCE: &str = r"\$\{";

#[cfg(test)]
mod tests;
