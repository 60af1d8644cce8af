//! Bad input: each with its code, and nothing changed.

use super::*;

fn with_ports(source: &str, destination: &str) -> ConnectionRequest {
    let end = |text: &str| {
        let at = port(text);
        EndRequest { pop: at.pop_id, router: Some(at.router_id), port: Some(at.port_id) }
    };
    ConnectionRequest { source: end(source), destination: end(destination), ..guide() }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_created_is_refused_with_its_code_and_takes_nothing() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    let between = |a: &str, b: &str| ConnectionRequest::between(pop(a), pop(b));
    let named = |name: &str| EndRequest { pop: pop("pop1"), router: None, port: Some(name.parse().unwrap()) };
    let on_router =
        |name: &str| EndRequest { pop: pop("pop1"), router: Some(name.parse().unwrap()), port: None };
    let qpsk = ipowdm_core::modes::Modulation::DpQpsk;
    let long = "x".repeat(123);
    let cases = [
        ("unknown PoP", between("pop1", "nowhere"), Code::UnknownPop),
        ("same PoP", between("pop1", "pop1"), Code::SamePop),
        ("unknown port", with_ports("pop1/router1/Ethernet99", "pop2/router1/Ethernet48"), Code::UnknownPort),
        ("foreign port", with_ports("pop1/router2/Ethernet48", "pop2/router1/Ethernet48"), Code::Forbidden),
        (
            "unknown port by name",
            ConnectionRequest { source: named("Ethernet99"), ..guide() },
            Code::UnknownPort,
        ),
        (
            "unknown router",
            ConnectionRequest { source: on_router("router9"), ..guide() },
            Code::UnknownRouter,
        ),
        (
            "another tenant's router",
            ConnectionRequest { source: on_router("router2"), ..guide() },
            Code::Forbidden,
        ),
        ("no rate", ConnectionRequest { bandwidth_gbps: 0, ..guide() }, Code::InvalidField),
        ("too much rate", ConnectionRequest { bandwidth_gbps: 401, ..guide() }, Code::Unsupported),
        ("no such mode", ConnectionRequest { modulation: qpsk, ..guide() }, Code::Unsupported),
        (
            "mode of no module",
            ConnectionRequest { bandwidth_gbps: 200, modulation: qpsk, ..guide() },
            Code::Unsupported,
        ),
        ("power too high", ConnectionRequest { tx_power: Some(power(1)), ..guide() }, Code::PowerOutOfRange),
        (
            "power too low",
            ConnectionRequest { tx_power: Some(power(-1501)), ..guide() },
            Code::PowerOutOfRange,
        ),
        (
            "off the raster",
            ConnectionRequest { frequency: Some(Frequency::from_mhz(193_100_001)), ..guide() },
            Code::FrequencyOffGrid,
        ),
        (
            "out of the band",
            ConnectionRequest { frequency: Some(Frequency::from_mhz(199_100_000)), ..guide() },
            Code::FrequencyOutOfRange,
        ),
        ("id too long", guide().named(id(&long)), Code::InvalidField),
    ];
    for (name, request, code) in cases {
        let error = controller.create_connection(request).await.unwrap_err();
        assert_eq!(error.code(), code, "{name}: {error}");
        assert!(controller.connections(None).unwrap().is_empty(), "{name}");
        bed.assert_nothing_held().await;
    }
}

#[tokio::test(start_paused = true)]
async fn occupied_ports_missing_paths_spectrum_and_modules_are_refused() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    controller
        .create_connection(with_ports("pop1/router1/Ethernet48", "pop2/router1/Ethernet48"))
        .await
        .unwrap();
    let other = |request: ConnectionRequest| request.named(id("OTHER"));
    let occupied = other(with_ports("pop1/router1/Ethernet48", "pop2/router1/Ethernet56"));
    let error = controller.create_connection(occupied).await.unwrap_err();
    assert_eq!(error.code(), Code::PortOccupied);
    assert!(error.to_string().ends_with("occupied by connection POP1-POP2-1"), "{error}");

    bed.agent("pop3").change("Ethernet48", |port| port.module = None);
    bed.agent("pop3").change("Ethernet56", |port| port.module = None);
    bed.agent("pop3").report().await;
    calm().await;
    let between = |a: &str, b: &str| ConnectionRequest::between(pop(a), pop(b)).named(id("OTHER"));
    let error = controller.create_connection(between("pop1", "pop3")).await.unwrap_err();
    assert_eq!(error.code(), Code::ModuleAbsent, "{error}");

    for link in ["pop1-pop2", "pop1-pop3"] {
        let down = Some(crate::topology::UpDown::Down);
        bed.linkdb.set_link_state(&link.parse().unwrap(), down, None).await.unwrap();
    }
    let error = controller.create_connection(between("pop1", "pop2")).await.unwrap_err();
    assert_eq!(error.code(), Code::NoPath);
    assert_eq!(controller.connections(None).unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_grant_without_room_is_no_spectrum_and_a_frequency_outside_it_is_not_granted() {
    let mut bed = Testbed::new().await;
    let window = ipowdm_core::grid::SpectrumWindow {
        low: Frequency::from_mhz(193_062_500),
        high: Frequency::from_mhz(193_137_500),
    };
    let request = crate::slice::ActivationRequest { windows: Some(vec![window]), ..Testbed::vop2() };
    let controller = bed.activate(request).await;
    let outside = ConnectionRequest { frequency: Some(Frequency::from_mhz(193_175_000)), ..guide() };
    assert_eq!(controller.create_connection(outside).await.unwrap_err().code(), Code::FrequencyNotGranted);
    let (view, _) = controller.create_connection(guide()).await.unwrap();
    assert_eq!(view.frequency, Frequency::ANCHOR, "193.1 THz, the only channel of the grant");
    let down = Some(crate::topology::UpDown::Down);
    bed.linkdb.set_link_state(&"pop1-pop3".parse().unwrap(), down, None).await.unwrap();
    let error = controller.create_connection(guide().named(id("SECOND"))).await.unwrap_err();
    assert_eq!(error.code(), Code::NoSpectrum);
}

#[tokio::test(start_paused = true)]
async fn unknown_connections_illegal_states_and_bent_powers_are_refused() {
    let (bed, controller) = lit().await;
    let nobody = id("NOBODY");
    let step = |hundredths| ReconfigureRequest::step("manual", Db::from_hundredths(hundredths), None);
    assert_eq!(controller.connection(&nobody).unwrap_err().code(), Code::UnknownConnection);
    assert_eq!(controller.setup(&nobody).await.unwrap_err().code(), Code::UnknownConnection);
    assert_eq!(controller.delete(&nobody).await.unwrap_err().code(), Code::UnknownConnection);
    assert_eq!(controller.qot(&nobody).unwrap_err().code(), Code::UnknownConnection);
    assert_eq!(controller.reconfigure(&nobody, &step(50)).await.unwrap_err().code(), Code::UnknownConnection);

    let guide_id = id("POP1-POP2-1");
    let before = controller.connection(&guide_id).unwrap();
    let error = controller.setup(&guide_id).await.unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("ACTIVE")), (Code::IllegalState, true));
    assert_eq!(controller.metrics().refused.get("setup in ACTIVE"), Some(&1));
    assert_eq!(
        controller.reconfigure(&guide_id, &step(300)).await.unwrap_err().code(),
        Code::PowerOutOfRange
    );
    assert_eq!(
        controller.reconfigure(&guide_id, &step(i16::MIN)).await.unwrap_err().code(),
        Code::PowerOutOfRange
    );
    let nothing = ReconfigureRequest { reason: "manual".to_owned(), source: None, destination: None };
    assert_eq!(controller.reconfigure(&guide_id, &nothing).await.unwrap_err().code(), Code::InvalidField);
    let after = controller.connection(&guide_id).unwrap();
    assert_eq!((after.state, after.ends), (before.state, before.ends));
    assert_eq!(bed.commands("config_vOp2", "POP1-POP2-1").await.len(), 2, "nothing went out");
    assert_eq!(controller.operation("x.1.2").unwrap_err().code(), Code::UnknownOperation);
}

#[tokio::test(start_paused = true)]
async fn a_controller_of_nobody_and_a_senseless_configuration_do_not_start() {
    let bed = Testbed::new().await;
    let builder =
        || Controller::builder(vop("vOp9"), bed.linkdb.clone(), std::sync::Arc::new(bed.bus.clone()));
    assert_eq!(builder().start().await.unwrap_err().code(), Code::UnknownVop);
    let config = ControllerConfig { paths: 0, ..ControllerConfig::default() };
    assert_eq!(builder().config(config).start().await.unwrap_err().code(), Code::InvalidField);
}
