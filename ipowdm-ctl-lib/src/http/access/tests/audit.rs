//! The record of changes, taken from the rules.

use super::*;
use core::fmt::{Debug, Write as _};
use std::collections::BTreeMap;
use std::sync::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::{Subscriber, set_default};
use tracing::{Event, Metadata};

/// The fields of an event.
type Fields = BTreeMap<String, String>;

/// Keeps all that is logged as text, spans too, and the records of changes by field.
#[derive(Debug, Clone, Default)]
struct Kept {
    changes: Arc<Mutex<Vec<Fields>>>,
    text: Arc<Mutex<String>>,
}

/// Reads fields.
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

impl Kept {
    fn keep(&self, fields: &Fields) {
        writeln!(self.text.lock().unwrap(), "{fields:?}").unwrap();
    }

    fn take(&self) -> Vec<Fields> {
        core::mem::take(&mut *self.changes.lock().unwrap())
    }
}

impl Subscriber for Kept {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut reader = Reader::default();
        attributes.record(&mut reader);
        self.keep(&reader.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut reader = Reader::default();
        event.record(&mut reader);
        self.keep(&reader.0);
        if event.metadata().target() == "ipowdm::audit" {
            self.changes.lock().unwrap().push(reader.0);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Asks every changing route as everybody, and looks for its record.
async fn every_change_is_recorded(service: &Service, tokens: &Tokens, rules: &[Rule], kept: &Kept) {
    let mut asked = 0;
    for rule in rules.iter().filter(|rule| rule.method != "GET") {
        let path = example(rule);
        // The query is not recorded: what callers put there is theirs.
        let asking = format!("{path}?note=hush-hush");
        let body = json!({"password": "hush-hush"});
        let known = tokens
            .secrets
            .iter()
            .enumerate()
            .map(|(n, (_, secret))| (format!("caller-{n}"), secret.as_str()));
        for (caller, token) in known.chain([("unknown".to_owned(), "hush-hush")]) {
            kept.take();
            let (status, answer) = ask(service, rule.method, &asking, Some(token), &body).await;
            let changes = kept.take();
            assert_eq!(changes.len(), 1, "{} {path} as {caller}: {changes:?}", rule.method);
            let change = &changes[0];
            let field = |name: &str| change.get(name).map_or("", String::as_str);
            assert_eq!(field("caller"), caller, "{change:?}");
            assert_eq!((field("method"), field("route")), (rule.method, rule.path), "{change:?}");
            assert_eq!((field("path"), field("status")), (path.as_str(), status.to_string().as_str()));
            assert_eq!(field("code"), answer["code"].as_str().unwrap_or_default(), "{change:?}");
            asked += 1;
        }
    }
    println!("{asked} changes asked for and recorded");
    let text = kept.text.lock().unwrap();
    assert!(!text.contains("hush-hush"), "what is not the record's business");
    for (_, secret) in &tokens.secrets {
        assert!(!text.contains(secret.as_str()), "a token is in the log");
    }
}

// On one thread, whose subscriber hears all of the service.
#[tokio::test(flavor = "current_thread")]
async fn every_changing_route_of_every_service_records_who_asked_for_what_and_how_it_was_answered() {
    let tokens = Tokens::new();
    let tenant = Tenant::start().await;
    let linkdb = Service::start(linkdb_router(tenant.lab.bed.linkdb.clone(), tokens.access.clone())).await;
    let slices = Service::start(slice_router(tenant.lab.bed.slices().clone(), tokens.access.clone())).await;
    let controller = Service::start(controller_router(tenant.handle.clone(), tokens.access.clone())).await;
    let kept = Kept::default();
    let _here = set_default(kept.clone());
    every_change_is_recorded(&linkdb, &tokens, LINKDB, &kept).await;
    every_change_is_recorded(&slices, &tokens, SLICE, &kept).await;
    every_change_is_recorded(&controller, &tokens, CONTROLLER, &kept).await;
    // Looking changes nothing.
    ask(&linkdb, "GET", "/api/pops", Some(&tokens.secrets[0].1), &Value::Null).await;
    assert_eq!(kept.take(), Vec::<Fields>::new());
}
