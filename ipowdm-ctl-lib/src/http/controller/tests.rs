use crate::controller::Controller;
use crate::http::tests::client::Service;
use crate::http::tests::lab::Tenant;
use crate::http::{Access, stand_by_router};
use crate::linkdb::{AllocationRequest, Endpoint};
use crate::testbed::{Behaviour, pop};
use ipowdm_core::error::Code;
use ipowdm_core::msg::TelemetryFields;
use ipowdm_core::units::Db;
use serde_json::{Value, json};
use std::sync::Arc;

const CONNECTIONS: &str = "/api/v1/connections";
const GUIDES: &str = "/api/v1/connections/POP1-POP2-1";

/// The guide's body of `POST /connections`.
fn guides() -> Value {
    json!({
        "connection_id": "POP1-POP2-1", "source_pop": "pop1", "destination_pop": "pop2", "virtual_operator": "vOp2",
    })
}

fn setup() -> String {
    format!("{GUIDES}/setup")
}

#[tokio::test]
async fn a_port_that_does_not_know_the_connection_is_a_conflict_not_a_missing_page() {
    let tenant = Tenant::start().await;
    let ctl = &tenant.ctl;
    ctl.post(CONNECTIONS, &guides()).await.expect(201);
    ctl.post(&format!("{}?wait=20", setup()), &json!({})).await.expect(200);
    tenant.behave(Behaviour::Reject(Code::UnknownConnection));
    let body = json!({"reason": "manual", "tx_power_step_db": 0.5});
    let answer = ctl.post(&format!("{GUIDES}/reconfigure?wait=20"), &body).await;
    answer.expect_error(409, "unknown_connection");
    assert_eq!(answer.json()["operation"]["status"], "failed");
    ctl.get(GUIDES).await.expect(200);
}

#[tokio::test]
async fn s0_04_the_guides_calls_take_a_connection_from_request_to_light_and_back() {
    let tenant = Tenant::start().await;
    let ctl = &tenant.ctl;
    let answer = ctl.post(CONNECTIONS, &guides()).await;
    let created = answer.expect(201);
    assert_eq!(answer.headers["location"], GUIDES);
    assert_eq!((&created["status"], &created["verified_at"]), (&json!("PENDING"), &json!(null)));
    assert_eq!((&created["frequency"], &created["frequency_mhz"]), (&json!(193.1), &json!(193_100_000)));
    assert_eq!(created["source"]["tx_power_dbm"], json!(null));
    assert_eq!(created["source"]["wanted"]["tx_power_dbm"], -2.0);
    assert_eq!(created["path"], json!(["pop1-pop2"]));
    assert_eq!((&created["required_osnr"], &created["estimated_osnr"]), (&json!(24.0), &json!(null)));
    assert_eq!(ctl.post(CONNECTIONS, &guides()).await.expect(200)["created_at"], created["created_at"]);

    let answer = ctl.post(&setup(), &json!({})).await;
    let begun = answer.expect(202);
    assert_eq!((&begun["status"], &begun["operation"]["kind"]), (&json!("setup_started"), &json!("setup")));
    let operation = answer.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(
        operation,
        format!("/api/v1/operations/{}", begun["operation"]["operation_id"].as_str().unwrap())
    );
    let done = ctl.get(&format!("{operation}?wait=20")).await.expect(200);
    assert_eq!(done["status"], "succeeded");
    assert!(done["total_ms"].is_u64() && done["control_plane_ms"].is_u64(), "{done}");

    let active = ctl.get(GUIDES).await.expect(200);
    assert_eq!(active["status"], "ACTIVE");
    assert!(active["verified_at"].is_string());
    assert_eq!((&created["verified"], &active["verified"]), (&json!(false), &json!(true)));
    for end in ["source", "destination"] {
        assert_eq!(active[end]["read_back"]["tx_power_dbm"], active[end]["wanted"]["tx_power_dbm"]);
        assert_eq!(
            (&active[end]["tx_power_dbm"], &active[end]["frequency_mhz"]),
            (&json!(-2.0), &json!(193_100_000))
        );
        assert_eq!((&active[end]["light"], &active[end]["interface"]), (&json!("lit"), &json!("Ethernet48")));
    }
    let body = json!({"reason": "manual", "tx_power_step_db": 0.5});
    let changed = ctl.post(&format!("{GUIDES}/reconfigure?wait=20"), &body).await.expect(200);
    assert_eq!(changed["status"], "reconfiguration_completed");
    assert_eq!(changed["connection"]["source"]["tx_power_dbm"], -1.5);
    assert_eq!(changed["connection"]["destination"]["tx_power_dbm"], -1.5);

    let deleted = ctl.delete(GUIDES).await.expect(202);
    assert_eq!(
        (&deleted["connection_id"], &deleted["status"]),
        (&json!("POP1-POP2-1"), &json!("teardown_started"))
    );
    tenant.until(GUIDES, |json| json["status"] == "TERMINATED").await;
    assert!(tenant.lab.bed.linkdb.topology().await.unwrap().grants.is_empty());
    ctl.post(CONNECTIONS, &guides()).await.expect(201);
}

#[tokio::test]
async fn s0_04_every_view_answers_with_what_is_there() {
    let tenant = Tenant::start().await;
    let ctl = &tenant.ctl;
    ctl.post(CONNECTIONS, &guides()).await.expect(201);
    assert_eq!(
        ctl.post(&format!("{}?wait=20", setup()), &json!({})).await.expect(200)["status"],
        "setup_completed"
    );
    let health = ctl.get("/api/v1/health").await.expect(200);
    assert_eq!((&health["status"], &health["virtual_operator"]), (&json!("healthy"), &json!("vOp2")));
    assert_eq!((&health["active_connections"], &health["kafka_connected"]), (&json!(1), &json!(true)));
    let status = ctl.get("/api/v1/status").await.expect(200);
    for part in ["controller", "connections", "kafka", "agents", "qot_monitoring", "topology"] {
        assert!(status[part].is_object(), "{part}: {status}");
    }
    assert_eq!(
        (&status["connections"]["by_status"]["ACTIVE"], &status["agents"]["online"]),
        (&json!(1), &json!(4))
    );
    let topology = ctl.get("/api/v1/topology").await.expect(200);
    // Half a terahertz has 80 steps of 6.25 GHz on each of three links; 75 GHz of one link are in use.
    assert_eq!((&topology["total_slots"], &topology["used_slots"]), (&json!(240), &json!(12)));
    assert_eq!(topology["available_slots"], 228);
    assert_eq!(ctl.get("/api/v1/topology/pops").await.expect(200)["pop1"]["pop_id"], "pop1");
    assert_eq!(ctl.get("/api/v1/topology/links").await.expect(200)["pop1-pop2"]["used_slots"], 12);
    let listed = ctl.get(&format!("{CONNECTIONS}?status=ACTIVE")).await.expect(200);
    assert_eq!(listed[0]["connection_id"], "POP1-POP2-1");
    assert_eq!(ctl.get(&format!("{CONNECTIONS}?status=FAILED")).await.expect(200), json!([]));

    let agents = ctl.get("/api/v1/agents").await.expect(200);
    assert_eq!((&agents["total_agents"], &agents["online_agents"]), (&json!(4), &json!(4)));
    assert_eq!(agents["agents_by_pop"]["pop1"][0]["agent_id"], "pop1-router1");
    let agent = ctl.get("/api/v1/agents/pop1/router1").await.expect(200);
    assert_eq!((&agent["presence"], &agent["emulated"]), (&json!("ONLINE"), &json!(true)));
    assert_eq!(agent["connections"], json!(["POP1-POP2-1"]));
    let interfaces = ctl.get("/api/v1/interfaces/pop1/router1").await.expect(200);
    assert_eq!(interfaces["count"], 2);
    let first = &interfaces["interfaces"][0];
    assert_eq!((&first["port_id"], &first["connection_id"]), (&json!("Ethernet48"), &json!("POP1-POP2-1")));
    assert_eq!(first["tx_power_range"], json!([-15.0, 0.0]));
    assert_eq!(ctl.post_raw("/api/v1/agents/discover", "").await.expect(200)["status"], "success");
    let vop = ctl.get("/api/v1/vop/status").await.expect(200);
    assert_eq!((&vop["vop_id"], &vop["config_topic"]), (&json!("vOp2"), &json!("config_vOp2")));
    assert_eq!(vop["connections"], json!({"total": 1, "holding_spectrum": 1}));
}

#[tokio::test]
async fn an_instance_that_stands_by_says_so_until_it_commands() {
    let tenant = Tenant::start().await;
    let (linkdb, bus) = (tenant.lab.bed.linkdb.clone(), Arc::new(tenant.lab.bed.bus.clone()));
    let instance = Controller::builder("vOp2".parse().unwrap(), linkdb, bus).stand_by().unwrap();
    let service = Service::start(stand_by_router(instance.clone(), Access::open())).await;
    for path in ["/", "/api/v1/health", CONNECTIONS] {
        service.get(path).await.expect_error(503, "not_commanding");
    }
    service.post(CONNECTIONS, &guides()).await.expect_error(503, "not_commanding");
    tenant.handle.shutdown().await.unwrap();
    instance.commanding().await.unwrap();
    service.post(CONNECTIONS, &guides()).await.expect(201);
    service.get("/api/v1/nothing").await.expect_error(404, "unknown_path");
    instance.shutdown().await.unwrap();
    service.get(CONNECTIONS).await.expect_error(503, "stopped");
}

#[tokio::test]
async fn a_failed_connection_is_repaired_and_one_that_has_not_failed_is_not() {
    let tenant = Tenant::start().await;
    let ctl = &tenant.ctl;
    ctl.post(CONNECTIONS, &guides()).await.expect(201);
    let repair = format!("{GUIDES}/repair");
    ctl.post_raw(&repair, "").await.expect_error(409, "illegal_state");
    tenant.behave(Behaviour::Reject(Code::ModuleFault));
    ctl.post(&format!("{}?wait=20", setup()), &json!({})).await.expect_error(502, "module_fault");
    ctl.post_raw(&format!("{repair}?wait=20"), "").await.expect_error(502, "module_fault");
    assert_eq!(ctl.get(GUIDES).await.expect(200)["status"], "FAILED");
    tenant.behave(Behaviour::Obey);
    let answer = ctl.post_raw(&repair, "").await;
    let begun = answer.expect(202);
    assert_eq!((&begun["status"], &begun["operation"]["kind"]), (&json!("repair_started"), &json!("repair")));
    let operation = answer.headers["location"].to_str().unwrap().to_owned();
    let done = ctl.get(&format!("{operation}?wait=20")).await.expect(200);
    assert_eq!((&done["status"], &done["kind"]), (&json!("succeeded"), &json!("repair")));
    assert_eq!(ctl.get(GUIDES).await.expect(200)["status"], "ACTIVE");
    ctl.post_raw(&repair, "").await.expect_error(409, "illegal_state");
}

#[tokio::test]
async fn s0_04_every_path_of_the_existing_controller_is_there() {
    let tenant = Tenant::start().await;
    for (method, path) in [
        ("GET", "/health"),
        ("GET", "/status"),
        ("GET", "/topology"),
        ("GET", "/topology/pops"),
        ("GET", "/topology/links"),
        ("GET", "/topology/path/pop1/pop2"),
        ("POST", "/connections"),
        ("GET", "/connections"),
        ("GET", "/connections/C-1"),
        ("POST", "/connections/C-1/setup"),
        ("POST", "/connections/C-1/reconfigure"),
        ("DELETE", "/connections/C-1"),
        ("GET", "/connections/C-1/qot"),
        ("GET", "/monitoring/qot"),
        ("GET", "/agents"),
        ("GET", "/agents/pop1/router1"),
        ("POST", "/agents/discover"),
        ("GET", "/interfaces/pop1/router1"),
        ("POST", "/interfaces/pop1/router1/Ethernet48/control"),
        ("GET", "/vop/status"),
    ] {
        let answer = tenant.ctl.request(method.parse().unwrap(), &format!("/api/v1{path}"), "").await;
        let code = answer.json()["code"].clone();
        assert!(
            answer.status != 501 && answer.status != 405 && code != "unknown_path",
            "{method} {path}: {code}"
        );
    }
}

#[tokio::test]
async fn s0_04_a_path_is_what_a_connection_would_get_and_takes_nothing() {
    let tenant = Tenant::start().await;
    let before = tenant.lab.version().await;
    let path = tenant.ctl.get("/api/v1/topology/path/pop1/pop2").await.expect(200);
    assert_eq!((&path["total_hops"], &path["total_length_km"]), (&json!(1), &json!(80.0)));
    assert_eq!(path["path_segments"][0]["allocated_slots"].as_array().unwrap().len(), 12);
    let qpsk = "/api/v1/topology/path/pop1/pop2?bandwidth_gbps=100&modulation=DP-QPSK";
    tenant.ctl.get(qpsk).await.expect_error(422, "unsupported");
    assert_eq!(tenant.lab.version().await, before);
    let created = tenant.ctl.post(CONNECTIONS, &guides()).await.expect(201);
    assert_eq!((&created["frequency_mhz"], &created["slot"]), (&path["frequency_mhz"], &path["slot"]));
}

#[tokio::test]
async fn telemetry_appears_in_the_quality_of_a_connection() {
    let tenant = Tenant::start().await;
    tenant.ctl.post(CONNECTIONS, &guides()).await.expect(201);
    tenant.ctl.post(&format!("{}?wait=20", setup()), &json!({})).await.expect(200);
    tenant.lab.bed.agent("pop1").osnr("Ethernet48", 300).await;
    let qot = tenant.until(&format!("{GUIDES}/qot"), |json| json["samples"] == 1).await;
    assert_eq!((&qot["level"], &qot["alarm"]), (&json!("GOOD"), &json!(false)));
    assert_eq!(
        (&qot["source"]["last"]["osnr"], &qot["source"]["last"]["frequency_mhz"]),
        (&json!(30.0), &json!(193_100_000))
    );
    assert_eq!((&qot["destination"]["last"], &qot["source"]["last"].get("ber")), (&json!(null), &None));
    let degraded = json!({
        "osnr_below_db": 25.0, "esnr_below_db": 13.41, "ber_above": 0.012, "q_margin_below_db": 0.7,
    });
    assert_eq!(qot["thresholds"]["degraded"], degraded);
    let fields = TelemetryFields {
        esnr: Some(Db::from_tenths(160)),
        q_factor: Some(Db::from_tenths(84)),
        q_margin: Some(Db::from_tenths(21)),
        ..TelemetryFields::default()
    };
    tenant.lab.bed.agent("pop1").sample("Ethernet48", fields).await;
    let qot = tenant.until(&format!("{GUIDES}/qot"), |json| json["samples"] == 2).await;
    let last = &qot["source"]["last"];
    assert_eq!(
        (&last["esnr"], &last["q_factor"], &last["q_margin"]),
        (&json!(16.0), &json!(8.4), &json!(2.1))
    );
    assert_eq!(last.get("osnr"), None, "what this sample did not say is not repeated from an older one");
    let all = tenant.ctl.get("/api/v1/monitoring/qot").await.expect(200);
    assert_eq!((&all["total_connections"], &all["degraded_connections"]), (&json!(1), &json!(0)));
    assert_eq!(all["connections"][0]["connection_id"], "POP1-POP2-1");
}

#[tokio::test]
async fn a_refused_connection_says_why_and_takes_nothing() {
    let tenant = Tenant::start().await;
    let taken = json!({
        "connection_id": "C-1", "source_pop": "pop1", "destination_pop": "pop3",
        "source_interface": "router1/Ethernet48",
    });
    tenant.ctl.post(CONNECTIONS, &taken).await.expect(201);
    let before = tenant.lab.version().await;
    let with = |members: Value| {
        let mut body = json!({"connection_id": "C-9", "source_pop": "pop1", "destination_pop": "pop2"});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    for (members, status, code) in [
        (json!({"source_pop": "pop9"}), 404, "unknown_pop"),
        (json!({"destination_pop": "pop9"}), 404, "unknown_pop"),
        (json!({"destination_pop": "pop1"}), 400, "same_pop"),
        (json!({"destination_pop": "island"}), 409, "no_path"),
        (json!({"destination_pop": "pop3"}), 409, "no_free_port"),
        (json!({"source_interface": "Ethernet999"}), 404, "unknown_port"),
        (json!({"source_interface": "router1/Ethernet48"}), 409, "port_occupied"),
        (json!({"source_router": "router1", "source_interface": "Ethernet48"}), 409, "port_occupied"),
        (json!({"destination_pop": "pop3", "destination_interface": "Ethernet56"}), 403, "forbidden"),
        (json!({"source_interface": "router2/Ethernet48"}), 403, "forbidden"),
        (json!({"source_interface": "router1/Ethernet999"}), 404, "unknown_port"),
        (json!({"virtual_operator": "vOp3"}), 403, "forbidden"),
        (json!({"virtual_operator": "v_3"}), 422, "invalid_field"),
        (json!({"connection_id": "C-1"}), 409, "already_exists"),
        (json!({"connection_id": "C 9"}), 422, "invalid_field"),
        (json!({"connection_id": "c".repeat(128)}), 422, "invalid_field"),
        (json!({"bandwidth_gbps": 0}), 422, "invalid_field"),
        (json!({"bandwidth_gbps": -400}), 422, "invalid_field"),
        (json!({"bandwidth_gbps": 401}), 422, "invalid_field"),
        (json!({"bandwidth_gbps": 1e300}), 422, "invalid_field"),
        (json!({"bandwidth_gbps": "400"}), 422, "invalid_field"),
        (json!({"modulation": "64QAM"}), 422, "invalid_field"),
        (json!({"modulation": "DP-QPSK"}), 422, "unsupported"),
        (json!({"frequency": 195.05}), 403, "frequency_not_granted"),
        (json!({"frequency": 193.100_001}), 422, "frequency_off_grid"),
        (json!({"frequency": -193.1}), 422, "invalid_field"),
        (json!({"frequency": 1e300}), 422, "invalid_field"),
        (json!({"tx_power_dbm": 1.0}), 422, "power_out_of_range"),
        (json!({"tx_power_dbm": 1e300}), 422, "invalid_field"),
        (json!({"source_pop": null}), 422, "invalid_field"),
    ] {
        let answer = tenant.ctl.post(CONNECTIONS, &with(members.clone())).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (status, &json!(code)),
            "{members}: {}",
            answer.json()
        );
        answer.expect_error(status, code);
    }
    for (body, status, code) in [
        (&b"{\"connection_id\""[..], 400, "malformed"),
        (b"{\"source_pop\":\"pop1\",\"destination_pop\":\"pop2\",\"bandwidth_gbps\":NaN}", 400, "malformed"),
        (
            b"{\"source_pop\":\"pop1\",\"destination_pop\":\"pop2\",\"bandwidth_gbps\":1e400}",
            422,
            "invalid_field",
        ),
        (b"{\"source_pop\":\"pop\xff\",\"destination_pop\":\"pop2\"}", 400, "malformed"),
        (b"[]", 422, "invalid_field"),
        (b"", 400, "malformed"),
    ] {
        tenant.ctl.post_raw(CONNECTIONS, body).await.expect_error(status, code);
    }
    tenant.ctl.post_raw(CONNECTIONS, vec![b' '; 10_000_000]).await.expect_error(413, "too_large");
    assert_eq!(tenant.lab.version().await, before);
}

#[tokio::test]
async fn a_full_network_refuses_the_next_connection() {
    let tenant = Tenant::start().await;
    // All of vOp2's spectrum on all links, taken by somebody who claims no ports.
    for (a, b) in [("pop1", "pop2"), ("pop2", "pop3"), ("pop1", "pop3")] {
        let id = format!("filler-{a}-{b}").parse().unwrap();
        let (a, b) = (Endpoint::at(pop(a)), Endpoint::at(pop(b)));
        let request =
            AllocationRequest { k: 2, ..AllocationRequest::new(id, "vOp2".parse().unwrap(), a, b, 40) };
        tenant.lab.bed.linkdb.allocate(request).await.unwrap();
    }
    let before = tenant.lab.version().await;
    tenant.ctl.post(CONNECTIONS, &guides()).await.expect_error(409, "no_spectrum");
    tenant.ctl.get("/api/v1/topology/path/pop1/pop2").await.expect_error(409, "no_spectrum");
    assert_eq!(tenant.lab.version().await, before);
}

#[tokio::test]
async fn what_the_state_or_the_module_does_not_allow_is_refused_and_changes_nothing() {
    let tenant = Tenant::start().await;
    let ctl = &tenant.ctl;
    ctl.post(CONNECTIONS, &guides()).await.expect(201);
    let reconfigure = format!("{GUIDES}/reconfigure");
    let step = json!({"tx_power_step_db": 0.5});
    let before = tenant.lab.version().await;
    ctl.post(&reconfigure, &step).await.expect_error(409, "illegal_state");
    for (method, path) in [
        ("POST", "/api/v1/connections/C-9/setup"),
        ("POST", "/api/v1/connections/C-9/reconfigure"),
        ("POST", "/api/v1/connections/C-9/repair"),
        ("DELETE", "/api/v1/connections/C-9"),
        ("GET", "/api/v1/connections/C-9"),
        ("GET", "/api/v1/connections/C-9/qot"),
    ] {
        let answer = ctl.request(method.parse().unwrap(), path, step.to_string()).await;
        answer.expect_error(404, "unknown_connection");
    }
    assert_eq!(tenant.lab.version().await, before);
    ctl.post(&format!("{}?wait=20", setup()), &json!({})).await.expect(200);
    ctl.post(&setup(), &json!({})).await.expect_error(409, "illegal_state");
    for (body, status, code) in [
        (json!({"tx_power_step_db": 2.5}), 422, "power_out_of_range"),
        (json!({"tx_power_step_db": -20}), 422, "power_out_of_range"),
        (json!({"tx_power_dbm": 0.5}), 422, "power_out_of_range"),
        (json!({"tx_power_step_db": 1e300}), 422, "invalid_field"),
        (json!({"tx_power_step_db": "much"}), 422, "invalid_field"),
        (json!({"reason": "manual"}), 422, "invalid_field"),
        (json!({"reason": 3, "tx_power_step_db": 0.5}), 422, "invalid_field"),
        (json!({"connection_id": "C-9", "tx_power_step_db": 0.5}), 422, "invalid_field"),
    ] {
        ctl.post(&reconfigure, &body).await.expect_error(status, code);
    }
    for wait in ["-1", "601", "soon", "1e9"] {
        ctl.post(&format!("{reconfigure}?wait={wait}"), &step).await.expect_error(422, "invalid_field");
    }
    let active = ctl.get(GUIDES).await.expect(200);
    assert_eq!((&active["status"], &active["source"]["tx_power_dbm"]), (&json!("ACTIVE"), &json!(-2.0)));
}

#[tokio::test]
async fn a_setup_that_a_module_refuses_is_an_error_and_everything_is_free_again() {
    let tenant = Tenant::start().await;
    tenant.behave(Behaviour::Reject(Code::ModuleRejected));
    tenant.ctl.post(CONNECTIONS, &guides()).await.expect(201);
    let answer = tenant.ctl.post(&format!("{}?wait=20", setup()), &json!({})).await;
    let error = answer.expect_error(502, "module_rejected");
    assert!(error.contains("source") || error.contains("destination"), "{error}");
    assert_eq!(answer.json()["operation"]["status"], "failed");
    let failed =
        tenant.until(GUIDES, |json| json["status"] == "FAILED" && json["holds_spectrum"] == false).await;
    assert_eq!(
        (&failed["verified_at"], &failed["failure"]["code"]),
        (&json!(null), &json!("module_rejected"))
    );
    assert!(tenant.lab.bed.linkdb.topology().await.unwrap().grants.is_empty());
}

#[tokio::test]
async fn a_read_back_that_differs_is_shown_as_it_was_read() {
    let tenant = Tenant::start().await;
    tenant.lab.bed.agent("pop2").behave("Ethernet48", Behaviour::WrongPower);
    tenant.ctl.post(CONNECTIONS, &guides()).await.expect(201);
    let answer = tenant.ctl.post(&format!("{}?wait=20", setup()), &json!({})).await;
    let error = answer.expect_error(502, "read_back_mismatch");
    assert!(error.contains("-7.77 dBm"), "{error}");
    let failed = tenant.until(GUIDES, |json| json["status"] == "FAILED").await;
    assert_eq!(
        (&failed["verified_at"], &failed["destination"]["tx_power_dbm"]),
        (&json!(null), &json!(null))
    );
}

#[tokio::test]
async fn a_wait_that_is_over_answers_what_is_still_running() {
    let tenant = Tenant::start().await;
    tenant.behave(Behaviour::Dead);
    tenant.ctl.post(CONNECTIONS, &guides()).await.expect(201);
    let running = tenant.ctl.post(&format!("{}?wait=1", setup()), &json!({})).await.expect(202);
    assert_eq!(running["operation"]["status"], "running");
    let connection = tenant.ctl.get(GUIDES).await.expect(200);
    assert_eq!(
        (&connection["status"], &connection["source"]["light"]),
        (&json!("SETUP_IN_PROGRESS"), &json!("unknown"))
    );
    assert!(connection["deadline_in_seconds"].as_f64().unwrap() > 0.0);
    let abandoned = tenant.ctl.delete(&format!("{GUIDES}?force=true")).await.expect(200);
    assert_eq!(
        (&abandoned["status"], &abandoned["connection"]["status"]),
        (&json!("deleted"), &json!("TERMINATED"))
    );
    assert!(tenant.lab.bed.linkdb.topology().await.unwrap().grants.is_empty());
}

#[tokio::test]
async fn a_connection_that_was_never_lit_is_deleted_at_once() {
    let tenant = Tenant::start().await;
    tenant.ctl.post(CONNECTIONS, &guides()).await.expect(201);
    assert_eq!(tenant.ctl.delete(GUIDES).await.expect(200)["status"], "deleted");
    assert!(tenant.lab.bed.linkdb.topology().await.unwrap().grants.is_empty());
}

#[tokio::test]
async fn interfaces_are_switched_as_the_guide_and_as_the_existing_controller_ask() {
    let tenant = Tenant::start().await;
    let path = "/api/v1/interfaces/pop1/router1/Ethernet56/control";
    let answer = tenant.ctl.post(&format!("{path}?wait=20"), &json!({"admin_state": "up"})).await;
    let up = answer.expect(200);
    assert_eq!(
        (&up["interface"], &up["action"], &up["status"]),
        (&json!("Ethernet56"), &json!("up"), &json!("applied"))
    );
    let down = tenant.ctl.post_raw(&format!("{path}?action=admin_down&wait=20"), "").await.expect(200);
    assert_eq!(
        (&down["action"], &down["operation"]["kind"]),
        (&json!("admin_down"), &json!("interface_down"))
    );
    let sent = tenant.ctl.post_raw(&format!("{path}?action=up"), "").await;
    assert_eq!(sent.expect(202)["status"], "command_sent");
    let operation = sent.headers["location"].to_str().unwrap();
    assert_eq!(tenant.ctl.get(&format!("{operation}?wait=20")).await.expect(200)["status"], "succeeded");
    tenant.lab.bed.agent("pop1").behave("Ethernet56", Behaviour::Dead);
    tenant.ctl.post_raw(&format!("{path}?action=up"), "").await.expect(202);
    let before = tenant.lab.version().await;
    tenant.ctl.post_raw(&format!("{path}?action=down"), "").await.expect_error(409, "illegal_state");
    tenant.ctl.post_raw(&format!("{path}?action=sideways"), "").await.expect_error(422, "invalid_field");
    tenant
        .ctl
        .post(&format!("{path}?action=up"), &json!({"admin_state": "down"}))
        .await
        .expect_error(422, "invalid_field");
    tenant.ctl.post(path, &json!({})).await.expect_error(422, "invalid_field");
    let elsewhere =
        |pop: &str, port: &str| format!("/api/v1/interfaces/{pop}/router1/{port}/control?action=up");
    tenant.ctl.post_raw(&elsewhere("pop3", "Ethernet56"), "").await.expect_error(403, "forbidden");
    tenant.ctl.post_raw(&elsewhere("pop1", "Ethernet999"), "").await.expect_error(404, "unknown_port");
    assert_eq!(tenant.lab.version().await, before);
}

#[tokio::test]
async fn what_is_not_there_is_404_in_the_shape_of_all_errors() {
    let tenant = Tenant::start().await;
    for (path, code) in [
        ("/api/v1/agents/pop9/router1", "unknown_agent"),
        ("/api/v1/interfaces/pop9/router1", "unknown_router"),
        ("/api/v1/operations/C-1.1.1", "unknown_operation"),
        ("/api/v1/operations/nonsense", "unknown_operation"),
        ("/api/v1/topology/path/pop1/pop9", "unknown_pop"),
        ("/api/v1/nothing", "unknown_path"),
        ("/health", "unknown_path"),
    ] {
        tenant.ctl.get(path).await.expect_error(404, code);
    }
    tenant.ctl.get("/api/v1/topology/path/pop1/pop1").await.expect_error(400, "same_pop");
    tenant.ctl.get("/api/v1/topology/path/pop1/island").await.expect_error(409, "no_path");
    for query in ["bandwidth_gbps=NaN", "bandwidth_gbps=-1", "bandwidth_gbps=1e400", "modulation=64QAM"] {
        let path = format!("/api/v1/topology/path/pop1/pop2?{query}");
        tenant.ctl.get(&path).await.expect_error(422, "invalid_field");
    }
    tenant.ctl.get(&format!("{CONNECTIONS}?status=UPSIDE_DOWN")).await.expect_error(422, "invalid_field");
    tenant.ctl.request("PATCH".parse().unwrap(), GUIDES, "").await.expect_error(405, "method_not_allowed");
}

#[tokio::test]
async fn health_names_the_part_that_is_away_and_recovers() {
    let tenant = Tenant::start().await;
    tenant.lab.bed.bus.set_available(false);
    let down = tenant.ctl.get("/api/v1/health").await.expect(503);
    assert_eq!((&down["kafka_connected"], &down["linkdb_connected"]), (&json!(false), &json!(true)));
    assert_eq!((&down["status"], &down["code"]), (&json!("unhealthy"), &json!("bus_unavailable")));
    tenant.ctl.post_raw("/api/v1/agents/discover", "").await.expect_error(503, "bus_unavailable");
    tenant.lab.bed.bus.set_available(true);
    tenant.until("/api/v1/health", |json| json["status"] == "healthy").await;
    tenant.lab.backend.set_broken(true);
    let down = tenant.ctl.get("/api/v1/health").await.expect(503);
    assert_eq!((&down["linkdb_connected"], &down["code"]), (&json!(false), &json!("store_unavailable")));
    tenant.ctl.post(CONNECTIONS, &guides()).await.expect_error(503, "store_unavailable");
    tenant.lab.backend.set_broken(false);
    tenant.until("/api/v1/health", |json| json["status"] == "healthy").await;
    tenant.ctl.post(CONNECTIONS, &guides()).await.expect(201);
}

#[tokio::test]
async fn the_controller_of_a_deactivated_virtual_operator_answers_for_nobody() {
    let tenant = Tenant::start().await;
    let ctl = &tenant.ctl;
    ctl.post(CONNECTIONS, &guides()).await.expect(201);
    let calls =
        [("GET", "/health"), ("GET", "/connections"), ("POST", "/connections"), ("POST", "/agents/discover")];
    let ask = async |(method, path): (&str, &str)| {
        let body = if method == "POST" { guides().to_string() } else { String::new() };
        ctl.request(method.parse().unwrap(), &format!("/api/v1{path}"), body).await
    };
    let stopped = tenant.lab.bed.controller("vOp2");
    stopped.shutdown().await.unwrap();
    for call in calls {
        ask(call).await.expect_error(503, "stopped");
    }
    assert_eq!(stopped.delete(&"POP1-POP2-1".parse().unwrap()).await.unwrap_err().code(), Code::Stopped);
    assert_eq!(tenant.lab.slice.delete("/api/v1/vops/vOp2?force=true").await.status, 204);
    for call in calls {
        ask(call).await.expect_error(404, "unknown_vop");
    }
}
