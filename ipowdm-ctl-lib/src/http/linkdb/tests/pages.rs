//! Pages and filters of LinkDB's lists.

use super::{Value, json, request, service};

/// The ids of a list's items.
fn ids(list: &Value, items: &str, id: &str) -> Vec<String> {
    let items = list[items].as_array().unwrap();
    assert_eq!(list["count"], items.len());
    items.iter().map(|item| item[id].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_list_is_whole_unless_a_page_is_asked_for() {
    let (service, _) = service().await;
    let whole = service.get("/api/pops").await;
    assert!(!whole.headers.contains_key("link"));
    assert_eq!(ids(&whole.expect(200), "pops", "pop_id"), ["island", "pop1", "pop2", "pop3"]);
    assert!(whole.json().get("next_cursor").is_none());
    let (mut seen, mut path) = (Vec::new(), "/api/pops?limit=3".to_owned());
    let mut pages = 0;
    loop {
        let page = service.get(&path).await;
        seen.extend(ids(&page.expect(200), "pops", "pop_id"));
        pages += 1;
        let Some(link) = page.headers.get("link") else { break };
        let query =
            link.to_str().unwrap().strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        let cursor = page.json()["next_cursor"].as_str().unwrap().to_owned();
        assert_eq!(query, format!("?limit=3&cursor={cursor}"));
        path = format!("/api/pops{query}");
    }
    assert_eq!((pages, seen), (2, ids(&whole.json(), "pops", "pop_id")));
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=zz", "cursor=7"] {
        service.get(&format!("/api/pops?{query}")).await.expect_error(422, "invalid_field");
    }
}

#[tokio::test]
async fn lists_are_filtered_by_what_their_items_are() {
    let (service, _) = service().await;
    service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    service.post("/api/connections/allocate", &request("C-2", "pop2", "pop3")).await.expect(200);
    let connections = async |query: &str| {
        let list = service.get(&format!("/api/connections?{query}")).await.expect(200);
        ids(&list, "connections", "connection_id")
    };
    assert_eq!(connections("pop=pop2").await, ["C-1", "C-2"]);
    assert_eq!(connections("pop=pop2&limit=1").await, ["C-1"]);
    assert_eq!(connections("link=pop1-pop2").await, ["C-1"]);
    assert_eq!(connections("virtual_operator=vOp1").await, Vec::<String>::new());
    assert_eq!(connections("status=allocated&pop=pop3").await, ["C-2"]);
    assert_eq!(connections("status=held").await, Vec::<String>::new());
    service.get("/api/connections?status=lost").await.expect_error(422, "invalid_field");
    let down = json!({"admin_state": "down"}).to_string();
    service.request(hyper::Method::PATCH, "/api/links/pop1-pop3", down).await.expect(200);
    let links = service.get("/api/links?pop=pop3&admin_state=up").await.expect(200);
    assert_eq!(ids(&links, "links", "link_id"), ["pop2-pop3"]);
}
