//! Traefik's files in the stack are those of `traefik/`, which are proved on a real Traefik.

use crate::files::{DOCKGE, content, filled, text, yaml};

#[test]
fn the_inline_files_say_what_the_proved_ones_say() {
    let file = filled(DOCKGE);
    let names = [
        ("WEB_ADDRESS", ":8000"),
        ("WEBSECURE_ADDRESS", ":8443"),
        ("INTERNAL_ADDRESS", "127.0.0.1:8003"),
        ("ADMIN_ADDRESS", ":8080"),
        ("TRUSTED_PROXIES", ""),
        ("DYNAMIC_FILE", "/schoolyard/dynamic.yml"),
        ("CONSUL_ADDRESS", "consul:8500"),
        ("DASHBOARD", "true"),
        // Standard output.
        ("ACCESS_LOG", ""),
    ];
    let mut proved = text("traefik/traefik.yml");
    for (name, value) in names {
        proved = proved.replace(&format!("${{{name}}}"), value);
    }
    let here = yaml(content(&file, "traefik-static"));
    let token = here["providers"]["consul"]["token"].as_str().unwrap();
    assert_eq!(here, yaml(&proved.replace("${CONSUL_TOKEN}", token)));
    assert!(
        content(&file, "consul-tokens")
            .lines()
            .any(|line| line.starts_with("traefik ") && line.contains(token))
    );

    // Its braces are Traefik's own; what stands in them is no YAML, but the same text is the same.
    let plain = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !line.trim_start().starts_with("# ") && !line.trim().is_empty())
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(
        plain(content(&file, "traefik-dynamic")),
        plain(&text("traefik/dynamic.yml"))
    );
}

#[test]
fn traefik_asks_itself_where_the_gateway_tells_it_to() {
    let file = filled(DOCKGE);
    let told = file["services"]["gateway"]["environment"]["SCHOOLYARD_GATEWAY__TRAEFIK_INTERNAL"]
        .as_str()
        .unwrap();
    let address = yaml(content(&file, "traefik-static"))["entryPoints"]["internal"]["address"]
        .as_str()
        .unwrap()
        .to_owned();
    // By its name, which TLS can say.
    let address = address.replace("127.0.0.1", "localhost");
    assert_eq!(told, format!("https://{address}"));
}

#[test]
fn traefik_has_no_way_to_docker() {
    let service = &filled(DOCKGE)["services"]["traefik"];
    assert!(!service.to_string().contains("docker.sock"));
}
