//! The answer as a table and as JSON.

use super::fill::{Answer, Link};
use ipowdm_core::grid::FlexSlot;
use ipowdm_ctl_lib::linkdb::Path;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Links that a sentence names; the table and the object have all.
const NAMED: usize = 4;

fn per_cent(per_mille: u16) -> f64 {
    f64::from(per_mille) / 10.0
}

fn pops(path: &Path) -> String {
    path.pops.iter().map(ToString::to_string).collect::<Vec<_>>().join(" – ")
}

/// The name of a link and what it joins.
pub(super) fn label(link: &Link) -> String {
    format!("{} ({} – {})", link.id, link.ends.0, link.ends.1)
}

/// The width of a channel in GHz.
fn width(answer: &Answer) -> f64 {
    f64::from(FlexSlot::width_of(answer.question.width_m)) / 1e3
}

/// What fills first, in a sentence.
pub(super) fn first_full(answer: &Answer) -> String {
    match answer.full_first() {
        None => "No link of the candidate paths is full.".to_owned(),
        Some((after, links)) => {
            let mut names: Vec<String> = links.iter().take(NAMED).map(|link| label(link)).collect();
            if links.len() > NAMED {
                names.push(format!("{} more", links.len() - NAMED));
            }
            let verb = if names.len() == 1 { "link" } else { "links" };
            let when = match after {
                0 => "before the first channel".to_owned(),
                after => format!("after channel {after}"),
            };
            format!("Full first, {when}: {verb} {}.", names.join(", "))
        }
    }
}

/// The table for people.
pub(super) fn table(answer: &Answer) -> String {
    let mut text = String::new();
    let question = &answer.question;
    let (from, to, mode) = (&question.from, &question.to, &question.mode);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "Channels of {mode} ({} GHz wide) from {from} to {to}", width(answer));
    for (number, path) in answer.paths.iter().enumerate() {
        let _ = writeln!(text, "  path {}: {:>8.1} km  {}", number + 1, path.length.km(), pops(path));
    }
    let _ = writeln!(
        text,
        "\n{:>7}  {:>9}  {:>4}  {:>6}  fullest link of the path",
        "channel", "THz", "path", "used"
    );
    for (number, channel) in answer.channels.iter().enumerate() {
        let (fullest, used) = match channel.fullest() {
            Some((id, used)) => (
                answer.links.iter().find(|link| link.id == *id).map(label).unwrap_or_default(),
                format!("{:.1} %", per_cent(*used)),
            ),
            None => (String::new(), String::new()),
        };
        let thz = f64::from(channel.frequency.mhz()) / 1e6;
        let path = channel.path + 1;
        let _ = writeln!(text, "{:>7}  {thz:>9.5}  {path:>4}  {used:>6}  {fullest}", number + 1);
    }
    let _ = writeln!(text, "\n{:>7}  {:>6}  {:>10}  link", "before", "after", "full after");
    for link in &answer.links {
        let full = link.full_after.map(|after| after.to_string()).unwrap_or_default();
        let (before, after) = (per_cent(link.used.0), per_cent(link.used.1));
        let _ = writeln!(text, "{before:>5.1} %  {after:>4.1} %  {full:>10}  {}", label(link));
    }
    let _ = write!(
        text,
        "\n{} more channels fit. {} Then: {}.",
        answer.channels.len(),
        first_full(answer),
        answer.refusal
    );
    text
}

/// The object for programs.
pub(super) fn json(answer: &Answer) -> String {
    let path = |path: &Path| {
        let links: Vec<&str> = path.hops.iter().map(|hop| hop.link.as_str()).collect();
        json!({"pops": path.pops, "links": links, "length_km": path.length.km()})
    };
    let channels: Vec<Value> = answer
        .channels
        .iter()
        .map(|channel| {
            let used: Vec<Value> = channel
                .used
                .iter()
                .map(|(link, used)| json!({"link": link, "used_percent": per_cent(*used)}))
                .collect();
            json!({
                "frequency_thz": f64::from(channel.frequency.mhz()) / 1e6,
                "n": channel.slot.n,
                "m": channel.slot.m,
                "path": channel.path + 1,
                "links": used,
                "fullest": channel.fullest().map(|(link, _)| link),
            })
        })
        .collect();
    let links: Vec<Value> = answer
        .links
        .iter()
        .map(|link| {
            json!({
                "link": link.id,
                "a": link.ends.0,
                "b": link.ends.1,
                "used_percent_before": per_cent(link.used.0),
                "used_percent_after": per_cent(link.used.1),
                "full_after": link.full_after,
            })
        })
        .collect();
    let full_first = answer.full_first().map(|(after, links)| {
        json!({"after": after, "links": links.iter().map(|link| &link.id).collect::<Vec<_>>()})
    });
    json!({
        "from": answer.question.from,
        "to": answer.question.to,
        "mode": answer.question.mode,
        "width_ghz": width(answer),
        "fit": answer.channels.len(),
        "full_first": full_first,
        "refusal": answer.refusal,
        "paths": answer.paths.iter().map(path).collect::<Vec<_>>(),
        "channels": channels,
        "links": links,
    })
    .to_string()
}
