use crate::http::tests::client::Service;
use crate::http::tests::lab::{Lab, Tenant, vop2};
use crate::http::{Access, slice_router};
use crate::testbed::guarded::guarded;
use ipowdm_core::bus::Bus as _;
use serde_json::{Value, json};

#[tokio::test]
async fn s0_02_a_virtual_operator_is_activated_described_and_deactivated() {
    let lab = Lab::start().await;
    let answer = lab.slice.post("/api/v1/vops", &vop2()).await;
    let vop = answer.expect(201);
    assert_eq!(answer.headers["location"], "/api/v1/vops/vOp2");
    assert_eq!(
        (&vop["vop_id"], &vop["tenant_name"], &vop["status"]),
        (&json!("vOp2"), &json!("Tenant 2"), &json!("ACTIVE"))
    );
    assert_eq!(
        (&vop["config_topic"], &vop["monitoring_topic"]),
        (&json!("config_vOp2"), &json!("monitoring_vOp2"))
    );
    assert_eq!(vop["spectrum"], json!([{"low": 193_000.0, "high": 193_500.0}]));
    assert_eq!(vop["assigned_interfaces"].as_array().unwrap().len(), 4);
    assert_eq!((&vop["access"]["enforced"], vop.get("credentials")), (&json!(false), None));
    assert_eq!(vop["access"]["reason"], "the bus has no access control");
    assert!(vop["activation_time"].as_str().unwrap().ends_with('Z'));
    assert_eq!(lab.slice.get("/api/v1/vops/vOp2").await.expect(200), vop);
    let list = lab.slice.get("/api/v1/vops").await.expect(200);
    assert_eq!((&list[0]["vop_id"], &list[0]["interfaces_count"]), (&json!("vOp2"), &json!(7)));

    let answer = lab.slice.delete("/api/v1/vops/vOp2").await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
    lab.slice.get("/api/v1/vops/vOp2").await.expect_error(404, "unknown_vop");
    lab.slice.delete("/api/v1/vops/vOp2").await.expect_error(404, "unknown_vop");
    assert_eq!(lab.slice.get("/api/v1/vops").await.expect(200), json!([]));
    assert!(!lab.bed.bus.topics().await.unwrap().contains(&"config_vOp2".to_owned()));
}

#[tokio::test]
async fn spectrum_on_single_links_is_asked_for_and_shown() {
    let lab = Lab::start().await;
    let mut body = vop2();
    body["spectrum_on_links"] = json!({"pop1-pop2": [{"low": 194.0, "high": 194.5}], "pop1-pop3": []});
    let shown = json!({"pop1-pop2": [{"low": 194_000.0, "high": 194_500.0}], "pop1-pop3": []});
    let vop = lab.slice.post("/api/v1/vops", &body).await.expect(201);
    assert_eq!(vop["spectrum_on_links"], shown);
    assert_eq!(lab.slice.get("/api/v1/vops/vOp2").await.expect(200)["spectrum_on_links"], shown);
    lab.slice.post("/api/v1/vops", &body).await.expect(200);
    lab.slice.post("/api/v1/vops", &vop2()).await.expect_error(409, "already_exists");
}

#[tokio::test]
async fn s0_01_topics_exist_before_the_call_returns_and_the_same_call_changes_nothing() {
    let lab = Lab::start().await;
    let first = lab.slice.post("/api/v1/vops", &vop2()).await.expect(201);
    for (topic, partitions) in [("config_vOp2", 3), ("monitoring_vOp2", 3), ("health_vOp2", 2)] {
        let described = lab.bed.bus.describe_topic(topic).await.unwrap().expect("the topic is there");
        assert_eq!(
            (described.partitions, described.replication),
            (partitions, 1),
            "as the test bed configures"
        );
    }
    let again = lab.slice.post("/api/v1/vops", &vop2()).await.expect(200);
    assert_eq!(again, first);
    let topics = lab.slice.post_raw("/api/v1/topics/vOp2", "").await.expect(200);
    assert_eq!(topics["topics"]["config_topic"]["name"], "config_vOp2");
    assert_eq!(topics["topics"]["monitoring_topic"]["partitions"], 3);
    assert_eq!(topics["topics"]["health_topic"]["replication_factor"], 1);
    let mut other = vop2();
    other["tenant_name"] = json!("Somebody else");
    lab.slice.post("/api/v1/vops", &other).await.expect_error(409, "already_exists");
    lab.slice.post_raw("/api/v1/topics/vOp9", "").await.expect_error(404, "unknown_vop");
}

#[tokio::test]
async fn s0_02_a_virtual_operator_with_connections_goes_only_by_force() {
    let tenant = Tenant::start().await;
    let body = json!({"connection_id": "C-1", "source_pop": "pop1", "destination_pop": "pop2"});
    tenant.ctl.post("/api/v1/connections", &body).await.expect(201);
    tenant.ctl.post("/api/v1/connections/C-1/setup?wait=20", &json!({})).await.expect(200);
    let slice = &tenant.lab.slice;
    slice.delete("/api/v1/vops/vOp2").await.expect_error(409, "live_connections");
    assert_eq!(slice.get("/api/v1/vops/vOp2").await.expect(200)["status"], "ACTIVE");
    slice.delete("/api/v1/vops/vOp2?force=perhaps").await.expect_error(422, "invalid_field");
    assert_eq!(slice.delete("/api/v1/vops/vOp2?force=true").await.status, 204);
    slice.get("/api/v1/vops/vOp2").await.expect_error(404, "unknown_vop");
    assert!(tenant.lab.bed.linkdb.topology().await.unwrap().grants.is_empty());
}

#[tokio::test]
async fn s0_02_an_interface_is_available_until_somebody_has_it() {
    let lab = Lab::start().await;
    let path = "/api/v1/interfaces/check/pop1/router1/Ethernet48";
    let free = lab.slice.get(path).await.expect(200);
    assert_eq!((&free["available"], &free["interface"]), (&json!(true), &json!("Ethernet48")));
    lab.slice.post("/api/v1/vops", &vop2()).await.expect(201);
    assert_eq!(lab.slice.get(path).await.expect(200)["available"], false);
    let unknown = lab.slice.get("/api/v1/interfaces/check/pop1/router1/Ethernet999").await;
    unknown.expect_error(404, "unknown_port");
}

#[tokio::test]
async fn a_refused_activation_says_why_and_changes_nothing() {
    let lab = Lab::start().await;
    lab.slice.post("/api/v1/vops", &vop2()).await.expect(201);
    let topics = lab.bed.bus.topics().await.unwrap();
    let before = lab.version().await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = json!({
            "vop_id": "vOp3",
            "tenant_name": "Tenant 3",
            "interface_assignments": [{"pop_id": "pop3", "router_id": "router1", "interfaces": ["Ethernet56"]}],
        });
        change(&mut body);
        body
    };
    type Change = Box<dyn Fn(&mut Value)>;
    let cases: Vec<(Change, u16, &str)> = vec![
        (Box::new(|v| v["vop_id"] = json!("v_3")), 422, "invalid_field"),
        (Box::new(|v| v["vop_id"] = json!("v".repeat(64))), 422, "invalid_field"),
        (Box::new(|v| v["vop_id"] = json!(3)), 422, "invalid_field"),
        (Box::new(|v| v["tenant_name"] = json!("")), 422, "invalid_field"),
        (Box::new(|v| v["tenant_name"] = json!("x".repeat(256))), 422, "invalid_field"),
        (Box::new(|v| v["interface_assignments"][0]["interfaces"] = json!([])), 422, "invalid_field"),
        (Box::new(|v| v["interface_assignments"] = json!(null)), 422, "invalid_field"),
        (
            Box::new(|v| v["interface_assignments"][0]["interfaces"] = json!(["Ethernet56", "Ethernet56"])),
            422,
            "invalid_field",
        ),
        (
            Box::new(|v| v["interface_assignments"][0]["interfaces"] = json!(["Ethernet9"])),
            404,
            "unknown_port",
        ),
        (
            Box::new(|v| v["interface_assignments"][0]["interfaces"] = json!(["Ethernet48"])),
            409,
            "port_occupied",
        ),
        (Box::new(|v| v["spectrum"] = json!([])), 422, "invalid_field"),
        (Box::new(|v| v["spectrum"] = json!([{"low": 193.5, "high": 193.0}])), 422, "invalid_field"),
        (Box::new(|v| v["spectrum"] = json!([{"low": 193.0}])), 422, "invalid_field"),
        (Box::new(|v| v["spectrum"] = json!([{"low": -1, "high": 193.0}])), 422, "invalid_field"),
        (Box::new(|v| v["spectrum_on_links"] = json!([])), 422, "invalid_field"),
        (Box::new(|v| v["spectrum_on_links"] = json!({"pop1-pop2": null})), 422, "invalid_field"),
        (Box::new(|v| v["spectrum_on_links"] = json!({"pop1-pop9": []})), 404, "unknown_link"),
        (Box::new(|v| v["exclusive"] = json!("yes")), 422, "invalid_field"),
        (Box::new(|v| v["exclusive"] = json!(true)), 409, "no_spectrum"),
        (Box::new(|v| v["quota"] = json!({"connections": -1})), 422, "invalid_field"),
        (Box::new(|v| v["tx_power_range"] = json!([0, -10])), 422, "invalid_field"),
        (Box::new(|v| v["tx_power_range"] = json!([0, 1e300])), 422, "invalid_field"),
        (Box::new(|v| v["telemetry_interval_ms"] = json!(99)), 422, "invalid_field"),
        (Box::new(|v| v["telemetry_interval_ms"] = json!(-3000)), 422, "invalid_field"),
    ];
    for (change, status, code) in cases {
        let body = with(&*change);
        let answer = lab.slice.post("/api/v1/vops", &body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (status, &json!(code)),
            "{body} {}",
            answer.json()
        );
        answer.expect_error(status, code);
    }
    lab.slice.post_raw("/api/v1/vops", "{").await.expect_error(400, "malformed");
    lab.slice.post_raw("/api/v1/vops", vec![b' '; 10_000_000]).await.expect_error(413, "too_large");
    assert_eq!(lab.version().await, before);
    assert_eq!(lab.bed.bus.topics().await.unwrap(), topics);
    lab.slice.post("/api/v1/vops", &with(&|_| {})).await.expect(201);
}

#[tokio::test]
async fn passwords_are_told_once_and_not_to_be_stored() {
    let (_bed, bus, slices) = guarded().await;
    let slice = Service::start(slice_router(slices, Access::open())).await;
    let mut body = vop2();
    body["interface_assignments"] =
        json!([{"pop_id": "pop1", "router_id": "router1", "interfaces": ["Ethernet48"]}]);
    let answer = slice.post("/api/v1/vops", &body).await;
    let vop = answer.expect(201);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(vop["access"]["users"], json!(["agent_pop1-router1", "controller_vOp2"]));
    assert_eq!((&vop["access"]["enforced"], &vop["access"]["passwords"]), (&json!(true), &json!(true)));
    let told = |user: &str| json!({"user": user, "mechanism": "SCRAM-SHA-512", "password": "secret-1"});
    assert_eq!(vop["credentials"][0], told("controller_vOp2"));
    assert_eq!(vop["credentials"].as_array().unwrap().len(), 2);
    for again in [
        slice.post("/api/v1/vops", &body).await.expect(200),
        slice.get("/api/v1/vops/vOp2").await.expect(200),
        slice.get("/api/v1/vops").await.expect(200),
    ] {
        assert!(!again.to_string().contains("secret-"), "{again}");
    }
    let application = slice.put("/api/v1/vops/vOp2/applications/exporter", &json!({})).await;
    assert_eq!(application.headers["cache-control"], "no-store");
    assert_eq!(application.expect(200)["user"], "application_vOp2_exporter");
    let renewed = slice.post_raw("/api/v1/vops/vOp2/users/controller_vOp2/password", "").await.expect(200);
    assert_eq!(renewed["password"], "secret-4");
    let stranger = slice.post_raw("/api/v1/vops/vOp2/users/controller_vOp1/password", "").await;
    stranger.expect_error(404, "unknown_agent");
    assert_eq!(slice.delete("/api/v1/vops/vOp2/applications/exporter").await.status, 204);
    assert_eq!(slice.delete("/api/v1/vops/vOp2").await.status, 204);
    bus.assert_nothing_left();
}

#[tokio::test]
async fn an_application_is_not_admitted_where_nothing_is_enforced() {
    let lab = Lab::start().await;
    lab.slice.post("/api/v1/vops", &vop2()).await.expect(201);
    let refused = lab.slice.put("/api/v1/vops/vOp2/applications/exporter", &json!({})).await;
    refused.expect_error(422, "unsupported");
}

#[tokio::test]
async fn health_names_the_part_that_is_away_and_recovers() {
    let lab = Lab::start().await;
    let well = lab.slice.get("/health").await.expect(200);
    assert_eq!((&well["status"], &well["kafka_connected"]), (&json!("healthy"), &json!(true)));
    lab.bed.bus.set_available(false);
    let down = lab.slice.get("/health").await.expect(503);
    assert_eq!((&down["kafka_connected"], &down["linkdb_connected"]), (&json!(false), &json!(true)));
    assert_eq!((&down["status"], &down["code"]), (&json!("unhealthy"), &json!("bus_unavailable")));
    let before = lab.version().await;
    lab.slice.post("/api/v1/vops", &vop2()).await.expect_error(503, "bus_unavailable");
    assert_eq!(lab.version().await, before);
    lab.bed.bus.set_available(true);
    lab.backend.set_broken(true);
    let down = lab.slice.get("/health").await.expect(503);
    assert_eq!((&down["kafka_connected"], &down["linkdb_connected"]), (&json!(true), &json!(false)));
    lab.slice.get("/api/v1/vops").await.expect_error(503, "store_unavailable");
    lab.backend.set_broken(false);
    lab.slice.get("/").await.expect(200);
    lab.slice.post("/api/v1/vops", &vop2()).await.expect(201);
}
