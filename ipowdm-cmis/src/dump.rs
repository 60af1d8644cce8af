//! Everything that a module says, decoded with units: for people and as JSON.
//!
//! 1. [`ReadMemory`] reads every page that the module advertises into a [`Memory`], in which a page that is not advertised, one
//!    that is advertised and not there, and one that could not be read are different things.
//! 2. [`Dump::decode`] turns the bytes into [`Register`]s, by the tables of [`crate::map`] and, if there are any, those of a
//!    vendor, and into groups that belong together for a reader: identity, applications, state, laser, monitors, VDM,
//!    performance.
//! 3. [`Dump`] is shown by [`Display`](std::fmt::Display) and, with feature `json`, serialised by serde.
//!
//! No content makes any of it fail: what cannot be decoded is shown as the number that it is.
//!
//! # JSON
//!
//! | member | content |
//! |---|---|
//! | `pages` | by page (`lower`, `00` … `FF`, other banks as `10.bank1`), by register name: `value`, `raw`, `unit` where there is one, `confidence` where it is not the specification's; a page without a table has its `bytes` |
//! | `page_status` | `read`, `absent` (advertised and not there), `unreadable: …`, `not advertised` |
//! | `identity`, `applications`, `state`, `laser`, `monitors`, `vdm`, `pm` | decoded groups; a quantity is an object of `value` and `unit` |
//!
//! Lanes are numbered over the banks: lane 9 is the first of bank 1. `identity.cmis` is false where bytes 0 and 1 are not those
//! of a module that CMIS is about; the rest then means nothing.
//!
//! What is not known is an object with the one member `unavailable`, which says why: never 0 and never null.

mod applications;
mod context;
mod identity;
mod item;
#[cfg(feature = "json")]
mod json;
mod laser;
mod memory;
mod monitors;
mod performance;
mod read;
mod register;
mod state;
mod text;
mod vdm;

pub use item::{Item, Missing};
pub use memory::{Half, Memory, PageState};
pub use read::{Plan, ReadMemory};
pub use register::{PageName, Register, RegisterName, Value};

use crate::map::{Field, TABLES};
use context::Context;
use std::vec::Vec;

/// A page with its registers.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// Which page.
    pub name: PageName,
    /// Whether it was read.
    pub state: &'a PageState,
    /// Its registers, in the order of the tables; empty unless it was read.
    pub registers: Vec<Register<'a>>,
}

/// A decoded memory.
#[derive(Debug, Clone)]
pub struct Dump<'a> {
    /// Every page that is declared or was read: the lower memory first, then by page and bank.
    pub pages: Vec<Page<'a>>,
    /// The groups with their names, in the order in which they are shown.
    pub groups: [(&'static str, Item); 7],
}

impl<'a> Page<'a> {
    /// The bytes of a page that was read whole and of which no table declares a register.
    #[must_use]
    pub fn undeclared(&self) -> Option<&'a [u8]> {
        match self.state {
            PageState::Read(half) if self.registers.is_empty() => half.get(128, 128),
            _ => None,
        }
    }
}

impl<'a> Dump<'a> {
    /// Decodes a memory by the tables of this crate.
    #[must_use]
    pub fn decode(memory: &'a Memory) -> Self {
        Self::decode_with(memory, &[])
    }

    /// Decodes a memory by the tables of this crate and a vendor's, made by [`register_table!`](crate::register_table).
    #[must_use]
    pub fn decode_with(memory: &'a Memory, vendor: &[&'a [Field]]) -> Self {
        let tables = || TABLES.iter().copied().chain(vendor.iter().copied());
        let mut pages = Vec::with_capacity(TABLES.len());
        let mut contexts: Vec<Context> = Vec::new();
        for (name, state) in memory.pages() {
            let mut registers = Vec::new();
            if let PageState::Read(half) = state {
                let bank = name.bank();
                if !contexts.iter().any(|context| context.bank == bank) {
                    contexts.push(Context::new(memory, bank));
                }
                if let Some(context) = contexts.iter().find(|context| context.bank == bank) {
                    let of_page =
                        tables().filter(|table| table.first().is_some_and(|field| name.holds(field)));
                    let fields = of_page.flatten().filter(|field| name.holds(field));
                    register::decode(half, name, fields, context, &mut registers);
                }
            }
            pages.push(Page { name, state, registers });
        }
        let groups = [
            ("identity", identity::decode(memory)),
            ("applications", applications::decode(memory)),
            ("state", state::decode(memory)),
            ("laser", laser::decode(memory)),
            ("monitors", monitors::decode(memory)),
            ("vdm", vdm::decode(memory)),
            ("pm", performance::decode(memory)),
        ];
        Self { pages, groups }
    }

    /// A group by its name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Item> {
        self.groups.iter().find(|(group, _)| *group == name).map(|(_, item)| item)
    }

    /// A register by page (as in the JSON) and name.
    #[must_use]
    pub fn register(&self, page: &str, name: &str) -> Option<&Register<'a>> {
        let page = self.pages.iter().find(|candidate| candidate.name.is(page))?;
        page.registers.iter().find(|register| register.name().is(name))
    }
}

#[cfg(test)]
mod group_tests;
#[cfg(test)]
mod tests;
