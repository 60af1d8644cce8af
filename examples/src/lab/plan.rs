//! The lab's network on paper: PoPs on a ring with chords, routers, ports, and which virtual operator gets which.

use super::options::Options;
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::ids::{IdError, PopId, PortRef, VopId};
use ipowdm_core::units::{Frequency, Length};

/// A fibre pair between two PoPs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fibre {
    /// Its name, `pop1-pop2`.
    pub id: String,
    /// One end.
    pub a: PopId,
    /// The other end.
    pub b: PopId,
    /// Its length.
    pub length: Length,
}

/// A virtual operator and its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id; the first is `vOp2`, the guide's.
    pub vop: VopId,
    /// Its ports.
    pub ports: Vec<PortRef>,
    /// The spectrum it may light.
    pub spectrum: SpectrumWindow,
}

/// The network on paper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// `pop1` … `popN`.
    pub pops: Vec<PopId>,
    /// The fibre pairs.
    pub fibres: Vec<Fibre>,
    /// All ports, by PoP, router, port.
    pub ports: Vec<PortRef>,
    /// The virtual operators; the first is `vOp2`.
    pub tenants: Vec<Tenant>,
}

/// The C band of the lab's modules, edges of the 75 GHz channels included.
const BAND: (u32, u32) = (191_262_500, 196_137_500);

impl Plan {
    /// Draws the network that the options describe.
    ///
    /// # Errors
    /// Never in practice: every generated name is a legal id.
    pub fn draw(options: &Options) -> Result<Self, IdError> {
        let pops =
            (1..=options.pops).map(|i| PopId::new(&format!("pop{i}"))).collect::<Result<Vec<_>, _>>()?;
        let mut ports = Vec::new();
        for pop_id in &pops {
            for router in 1..=options.routers {
                for port in 0..options.ports {
                    ports.push(PortRef {
                        pop_id: pop_id.clone(),
                        router_id: format!("router{router}").parse()?,
                        port_id: format!("Ethernet{}", 48 + 8 * port).parse()?,
                    });
                }
            }
        }
        let tenants = tenants(options, &ports)?;
        Ok(Self { fibres: fibres(&pops), pops, ports, tenants })
    }
}

/// A ring, and from five PoPs on a chord over every third: two disjoint ways between any two.
fn fibres(pops: &[PopId]) -> Vec<Fibre> {
    let n = pops.len();
    let mut fibres = Vec::new();
    let mut join = |from: usize, to: usize, km: u32| {
        let (a, b) = (pops[from].clone(), pops[to].clone());
        fibres.push(Fibre { id: format!("{a}-{b}"), a, b, length: Length::from_metres(km * 1000) });
    };
    for i in 0..n - 1 {
        join(i, i + 1, 80 + 10 * (u32::try_from(i).unwrap_or(0) % 5));
    }
    if n > 2 {
        join(0, n - 1, 160);
    }
    if n >= 5 {
        for i in (0..n).step_by(3) {
            if i + 3 < n && !(i == 0 && i + 3 == n - 1) {
                join(i, i + 3, 240);
            }
        }
    }
    fibres
}

/// Shares out routers, or single ports where there are more tenants than routers. Router 1 is vOp2's, as in the guide.
fn tenants(options: &Options, ports: &[PortRef]) -> Result<Vec<Tenant>, IdError> {
    let mut names: Vec<u16> = (1..=options.vops.max(2)).collect();
    names.swap(0, 1);
    names.truncate(usize::from(options.vops));
    let count = names.len();
    let per_router = usize::from(options.ports);
    let mut tenants = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        let own = ports.iter().enumerate().filter(|(i, _)| {
            let share = if count <= usize::from(options.routers) {
                i / per_router % usize::from(options.routers)
            } else {
                *i
            };
            share % count == index
        });
        tenants.push(Tenant {
            vop: VopId::new(&format!("vOp{name}"))?,
            ports: own.map(|(_, port)| port.clone()).collect(),
            spectrum: SpectrumWindow { low: Frequency::from_mhz(BAND.0), high: Frequency::from_mhz(BAND.1) },
        });
    }
    Ok(tenants)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::collections::BTreeSet;

    fn plan(words: &[&str]) -> Plan {
        let mut all = vec!["lab"];
        all.extend(words);
        Plan::draw(&Options::parse_from(all)).unwrap()
    }

    #[test]
    fn the_default_network_is_the_guides() {
        let plan = plan(&[]);
        assert_eq!(plan.ports.len(), 12);
        assert_eq!(
            plan.fibres.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(),
            ["pop1-pop2", "pop2-pop3", "pop1-pop3"]
        );
        let guide = &plan.tenants[0];
        assert_eq!(guide.vop.as_str(), "vOp2");
        for pop in ["pop1", "pop2", "pop3"] {
            for port in ["Ethernet48", "Ethernet56"] {
                let wanted = format!("{pop}/router1/{port}");
                assert!(guide.ports.iter().any(|p| p.to_string() == wanted), "{wanted} is vOp2's");
            }
        }
        assert!(guide.spectrum.holds(Frequency::ANCHOR, 75_000));
    }

    #[test]
    fn every_port_has_exactly_one_tenant_whatever_the_shape() {
        for words in [
            &["--vops", "1"][..],
            &["--pops", "5", "--routers", "3", "--ports", "4", "--vops", "3"],
            &["--pops", "2", "--routers", "1", "--ports", "5", "--vops", "4"],
            &["--pops", "50", "--routers", "4", "--ports", "8", "--vops", "6"],
        ] {
            let plan = plan(words);
            let owned: Vec<_> = plan.tenants.iter().flat_map(|t| &t.ports).collect();
            assert_eq!(owned.len(), plan.ports.len(), "{words:?}");
            assert_eq!(owned.into_iter().collect::<BTreeSet<_>>().len(), plan.ports.len(), "{words:?}");
            assert!(plan.tenants.iter().all(|t| t.ports.len() >= 2), "{words:?}");
            let ids: BTreeSet<_> = plan.fibres.iter().map(|f| &f.id).collect();
            assert_eq!(ids.len(), plan.fibres.len(), "{words:?}: fibre names are unique");
        }
    }
}
