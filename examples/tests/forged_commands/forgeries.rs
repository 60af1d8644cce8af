//! What a tenant may write on its own config topic and no agent may do.

use ipowdm_core::error::Code;
use ipowdm_core::msg::Outcome;

/// A command as somebody types it; what is not named is as it should be.
#[derive(Clone)]
pub(crate) struct Order<'a> {
    /// The first fields, each before a comma.
    pub(crate) head: String,
    pub(crate) action: &'a str,
    pub(crate) connection: &'a str,
    pub(crate) pop: &'a str,
    pub(crate) port: &'a str,
    pub(crate) frequency: &'a str,
    pub(crate) power: &'a str,
}

impl Order<'_> {
    pub(crate) fn line(&self, id: &str) -> String {
        let Self { head, action, connection, pop, port, frequency, power } = self;
        format!(
            r#"{{{head}"action":"{action}","command_id":"{id}","parameters":{{"connection_id":"{connection}","endpoint_config":[{{"pop_id":"{pop}","node_id":"r1","port_id":"{port}","frequency":{frequency},"tx_power_level":{power}}}]}}}}"#
        )
    }
}

/// The epoch of everybody's good commands.
pub(crate) const EPOCH: &str = r#""epoch":5,"#;

/// What comes of a forged command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comes {
    /// One ack with this outcome and code.
    Ack(Outcome, Option<Code>),
    /// Nothing: who wrote it, and what it was to do, cannot be told. It is counted.
    DeadLetter,
    /// Nothing: it is for somebody else.
    Silence,
}

pub(crate) struct Forgery {
    pub(crate) id: &'static str,
    pub(crate) line: Vec<u8>,
    pub(crate) comes: Comes,
}

/// All forgeries, on the topic of tenant `a` whose good command is `good`; `theirs` is the same of tenant `b`.
pub(crate) fn all(good: &Order<'_>, theirs: &Order<'_>, b: &str, agent: &str) -> Vec<Forgery> {
    let mut all = refused_by_table(good, theirs, b);
    all.extend(without_endpoints(theirs, good.pop, agent));
    all.extend(unreadable(good));
    all
}

fn refused_by_table(good: &Order<'_>, theirs: &Order<'_>, b: &str) -> Vec<Forgery> {
    let rejected = |code| Comes::Ack(Outcome::Rejected, Some(code));
    let with = |head: &str| Order { head: format!("{head}{EPOCH}"), ..good.clone() };
    let fresh = || Order { connection: "C-forged", ..good.clone() };
    let table = [
        ("port-of-another", Order { port: theirs.port, ..fresh() }, rejected(Code::Forbidden)),
        ("port-of-nobody", Order { port: "Ethernet8", ..fresh() }, rejected(Code::Forbidden)),
        ("port-unknown", Order { port: "Ethernet99", ..fresh() }, rejected(Code::UnknownPort)),
        ("port-occupied", fresh(), rejected(Code::PortOccupied)),
        ("of-another", with(&format!(r#""virtual_operator":"{b}","#)), rejected(Code::Forbidden)),
        (
            "epoch-old",
            Order { head: r#""epoch":4,"#.to_owned(), ..good.clone() },
            Comes::Ack(Outcome::StaleEpoch, Some(Code::StaleEpoch)),
        ),
        ("epoch-none", Order { head: String::new(), ..good.clone() }, rejected(Code::Unfenced)),
        ("lifetime-over", with(r#""lifetime_ms":0,"#), Comes::Ack(Outcome::Expired, Some(Code::Expired))),
        // The good command's id with other content.
        ("good", Order { power: "-3.0", ..good.clone() }, rejected(Code::AlreadyExists)),
        (
            "window-theirs",
            Order { frequency: theirs.frequency, ..good.clone() },
            rejected(Code::FrequencyNotGranted),
        ),
        // The centre is inside, half the signal is not.
        ("window-edge", Order { frequency: "193.2", ..good.clone() }, rejected(Code::FrequencyNotGranted)),
        ("grid-off", Order { frequency: "193.101", ..good.clone() }, rejected(Code::FrequencyOffGrid)),
        ("power-above", Order { power: "-0.5", ..good.clone() }, rejected(Code::PowerOutOfRange)),
        ("power-below", Order { power: "-15.5", ..good.clone() }, rejected(Code::PowerOutOfRange)),
        ("step-theirs", Order { action: "reconfigConnection", ..theirs.clone() }, rejected(Code::Forbidden)),
        (
            "step-unknown",
            Order { action: "reconfigConnection", connection: "C-never", ..good.clone() },
            rejected(Code::UnknownConnection),
        ),
        ("end-theirs", Order { action: "teardownConnection", ..theirs.clone() }, rejected(Code::Forbidden)),
        ("other-agent", with(r#""target_agent":"somebody","#), Comes::Silence),
    ];
    table.into_iter().map(|(id, order, comes)| Forgery { id, line: order.line(id).into(), comes }).collect()
}

/// About what is another's, named otherwise than by an endpoint.
fn without_endpoints(theirs: &Order<'_>, pop: &str, agent: &str) -> [Forgery; 2] {
    let (connection, port) = (theirs.connection, theirs.port);
    let end = format!(
        r#"{{{EPOCH}"target_agent":"{agent}","action":"teardownConnection","command_id":"end-by-name","parameters":{{"connection_id":"{connection}"}}}}"#
    );
    let down = format!(
        r#"{{{EPOCH}"action":"interfaceControl","command_id":"down-theirs","parameters":{{"pop_id":"{pop}","router_id":"r1","interface":"{port}","action":"down"}}}}"#
    );
    [
        // Of this tenant nothing serves it: there is nothing to do.
        Forgery { id: "end-by-name", line: end.into(), comes: Comes::Ack(Outcome::Unchanged, None) },
        Forgery {
            id: "down-theirs",
            line: down.into(),
            comes: Comes::Ack(Outcome::Rejected, Some(Code::Forbidden)),
        },
    ]
}

fn unreadable(good: &Order<'_>) -> Vec<Forgery> {
    let later = Order { head: format!(r#""v":99,{EPOCH}"#), ..good.clone() }.line("later-version");
    let text = Order { frequency: r#""193.1; DROP""#, ..good.clone() }.line("no-number");
    let unknown = format!(r#"{{{EPOCH}"action":"reboot","command_id":"unknown-action"}}"#);
    let table = [
        ("later-version", later.into_bytes()),
        ("no-number", text.into_bytes()),
        // As large as a broker takes.
        ("large", vec![b'{'; 1_000_000]),
        ("unknown-action", unknown.into_bytes()),
        ("cut-short", br#"{"action":"setupConnection","command_id":"cut-short""#.to_vec()),
        ("no-text", b"\xff\xfe\x00".to_vec()),
        ("empty", Vec::new()),
    ];
    table.into_iter().map(|(id, line)| Forgery { id, line, comes: Comes::DeadLetter }).collect()
}
