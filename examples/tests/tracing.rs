//! One command is found on both sides of the bus by its id, from the REST request to the state that its answer led to.
#![expect(clippy::unwrap_used, reason = "tests state what they expect")]

use core::fmt::Debug;
use ipowdm_core::msg::COMMAND_TRACE;
use ipowdm_examples::lab::cases;
use ipowdm_examples::lab::options::Options;
use ipowdm_examples::lab::world::Lab;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

/// Fields by name.
type Fields = BTreeMap<String, String>;

/// An event about a command: what it says, its fields with those of its spans, the names of its spans from the outermost.
#[derive(Debug, Clone)]
struct Step {
    message: String,
    fields: Fields,
    spans: Vec<&'static str>,
}

#[derive(Default)]
struct Reader(Fields);

impl Visit for Reader {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

/// Keeps the steps of commands.
#[derive(Debug, Clone, Default)]
struct Steps(Arc<Mutex<Vec<Step>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Steps {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut reader = Reader::default();
        attributes.record(&mut reader);
        context.span(id).unwrap().extensions_mut().insert(reader.0);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() != COMMAND_TRACE {
            return;
        }
        let mut step = Step { message: String::new(), fields: Fields::new(), spans: Vec::new() };
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            step.spans.push(span.name());
            step.fields.extend(span.extensions().get::<Fields>().cloned().unwrap_or_default());
        }
        let mut reader = Reader::default();
        event.record(&mut reader);
        step.message = reader.0.remove("message").unwrap_or_default();
        step.fields.extend(reader.0);
        self.0.lock().unwrap().push(step);
    }
}

/// The status line of a POST.
async fn post(addr: std::net::SocketAddr, path: &str, body: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: lab\r\ncontent-type: application/json\r\nauthorization: Bearer hush-hush\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_command_is_followed_over_both_sides_of_the_bus_by_its_id() {
    let steps = Steps::default();
    let everything = tracing_subscriber::registry().with(LevelFilter::TRACE).with(steps.clone());
    tracing::subscriber::set_global_default(everything).expect("this is the only test of the program");
    let lab = Lab::start(&Options::for_tests()).await.expect("the lab starts");
    assert!(cases::activation(&lab).await.passed);
    let vop = lab.plan.tenants[0].vop.clone();
    let addr = lab.controller_addr(&vop).expect("its controller is served");
    let controller = lab.controller(&vop).unwrap();
    let free = controller.connections(None).unwrap();
    assert!(free.is_empty(), "{free:?}");
    let body = r#"{"connection_id": "T-1", "source_pop": "pop1", "destination_pop": "pop2"}"#;
    assert!(post(addr, "/api/v1/connections", body).await.contains("201"));
    assert!(post(addr, "/api/v1/connections/T-1/setup?wait=60", "{}").await.contains("200"));
    lab.stop().await;
    let steps = steps.0.lock().unwrap().clone();
    let stored: Vec<&Step> = steps
        .iter()
        .filter(|step| step.message == "command stored" && step.fields["action"] == "setupConnection")
        .collect();
    assert_eq!(stored.len(), 2, "one command to each end");
    for first in stored {
        assert_eq!(first.spans, ["request", "operation", "transaction"], "{first:?}");
        assert_eq!(first.fields["route"], "/api/v1/connections/{id}/setup");
        let id = &first.fields["command_id"];
        let way: Vec<&Step> = steps.iter().filter(|step| step.fields.get("command_id") == Some(id)).collect();
        let at = |message: &str| {
            let found = way.iter().position(|step| step.message == message);
            found.unwrap_or_else(|| panic!("no {message:?} among {way:#?}"))
        };
        // What is told on one side of the bus has its order; across it only an answer, which is a record that came back. That a
        // command is stored is told after its commit, which the relay and the agent need not wait for.
        let agent = ["command accepted", "work ended", "command answered"].map(at);
        let controller = ["answer received", "answer taken in"].map(at);
        assert!(agent.is_sorted() && controller.is_sorted(), "{way:#?}");
        assert!(at("command accepted") < at("answer received"), "{way:#?}");
        at("command published");
        let work = way[at("work ended")];
        assert!(work.spans.contains(&"execute"), "{work:?}");
        for step in [first, work, way[at("answer taken in")]] {
            assert_eq!(step.fields["connection"], "T-1", "{step:?}");
            assert_eq!(step.fields["vop"], vop.to_string(), "{step:?}");
            assert!(step.fields["port"].contains("Ethernet"), "{step:?}");
        }
    }
    let states: Vec<_> = steps.iter().filter_map(|step| step.fields.get("state")).collect();
    assert!(states.iter().any(|state| *state == "ACTIVE"), "{states:?}");
    assert!(!format!("{steps:?}").contains("hush-hush"), "a secret is traced");
}
