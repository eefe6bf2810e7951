//! The machine that was measured on.

/// What the figures were measured on, and how busy it was.
pub fn machine(load_before: &str, cores: &str) -> Vec<(String, String)> {
    vec![
        ("processor".to_owned(), processor()),
        ("cores".to_owned(), cores.to_owned()),
        (
            "load before / after".to_owned(),
            format!("{load_before} / {}", load()),
        ),
    ]
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or(": unknown");
    name.trim_start_matches([' ', '\t', ':']).to_owned()
}

/// How busy the machine was in the last minute.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(1).collect()
}
