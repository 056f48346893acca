//! Dependency rules, read from every crate's `Cargo.toml`.

use super::files::Folder;
use super::violation::Violation;

/// What each crate may use of ours; in tests, every one may use the zoo too.
const ALLOWED: [(&str, &[&str]); 8] = [
    ("banach-kernels", &[]),
    ("banach-program", &["banach-kernels"]),
    ("banach-solve", &["banach-kernels"]),
    ("banach-zoo", &[]),
    ("banach", &["banach-kernels", "banach-program", "banach-solve"]),
    ("banach-optimize", &["banach"]),
    ("banach-cli", &["banach", "banach-optimize", "banach-zoo"]),
    ("xtask", &[]),
];

pub(crate) fn check(folder: &Folder) -> Vec<Violation> {
    let mut found: Vec<Violation> =
        folder.manifests.iter().flat_map(|(name, text)| of_crate(name, text)).collect();
    for (name, text) in &folder.manifests {
        let lacking = unpublishable(text).join(", ");
        if !lacking.is_empty() {
            let text = format!("is published without {lacking}: add them, or `publish = false`");
            found.push(Violation::new(format!("crates/{name}/Cargo.toml"), text));
        }
    }
    found
}

/// Kernels take tensors of a type that `burn` does not export.
const TENSORS_OF_KERNELS: (&str, &str) = ("banach-solve", "burn-cubecl");

fn of_crate(name: &str, text: &str) -> Vec<Violation> {
    let place = format!("crates/{name}/Cargo.toml");
    let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
        let text =
            "a crate without a room: say in `xtask` what it may depend on, and draw it in ARCHITECTURE.md";
        return vec![Violation::new(place, text)];
    };
    let ours = |dependency: &str| dependency == "banach" || dependency.starts_with("banach-");
    let mut found = vec![];
    for Dependency { name: dependency, development } in dependencies(text) {
        let zoo_in_tests = development && dependency == "banach-zoo";
        if ours(&dependency) && !allowed.contains(&dependency.as_str()) && !zoo_in_tests {
            let may = if allowed.is_empty() { "none of ours".into() } else { allowed.join(" and ") };
            found.push(Violation::new(&place, format!("depends on {dependency}; it may depend on {may}")));
        }
        if name == "xtask" {
            found.push(Violation::new(
                &place,
                format!("depends on {dependency}; the gate must run without anything"),
            ));
        }
        if dependency.starts_with("burn-") && (name, dependency.as_str()) != TENSORS_OF_KERNELS {
            found.push(Violation::new(
                &place,
                format!("depends on {dependency}; take what it offers from `burn`"),
            ));
        }
    }
    found
}

/// What the registry shows of a crate that is published.
const SHOWN: [&str; 5] = ["description", "readme", "keywords", "categories", "license"];

/// The fields that a crate lacks for publishing; none for a crate that is not published.
fn unpublishable(text: &str) -> Vec<&'static str> {
    let package = text.lines().skip_while(|line| line.trim() != "[package]").skip(1);
    let package: Vec<&str> = package.take_while(|line| !line.trim_start().starts_with('[')).collect();
    let has = |field: &str| {
        let rest = package.iter().filter_map(|line| line.strip_prefix(field));
        rest.into_iter().any(|rest| rest.starts_with([' ', '=', '.']))
    };
    if package.iter().any(|line| line.replace(' ', "") == "publish=false") {
        return vec![];
    }
    SHOWN.into_iter().filter(|field| !has(field)).collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Dependency {
    name: String,
    development: bool,
}

/// The dependencies a manifest names, under their own names.
fn dependencies(manifest: &str) -> Vec<Dependency> {
    let mut found = vec![];
    let mut section: Option<bool> = None;
    for line in manifest.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            let (table, single) = table(header);
            section = table;
            if let (Some(development), Some(name)) = (table, single) {
                found.push(Dependency { name, development });
                section = None;
            }
            continue;
        }
        let Some(development) = section else { continue };
        let key: String =
            line.chars().take_while(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect();
        let assigned = line[key.len()..].trim_start().starts_with(['=', '.']);
        if !key.is_empty() && assigned {
            found.push(Dependency { name: renamed(line).unwrap_or(key), development });
        }
    }
    found
}

/// Whether a header opens dependencies (and those of tests), and which single one it names.
fn table(header: &str) -> (Option<bool>, Option<String>) {
    let parts: Vec<&str> = header.split('.').collect();
    let kind = |part: &&str| matches!(*part, "dependencies" | "dev-dependencies" | "build-dependencies");
    let Some(at) = parts.iter().rposition(kind) else { return (None, None) };
    let single = parts.get(at + 1).map(|name| name.trim_matches('"').to_owned());
    (Some(parts[at] == "dev-dependencies"), single)
}

/// The name behind `package = "..."`.
fn renamed(line: &str) -> Option<String> {
    let after = line.split_once("package")?.1.trim_start().strip_prefix('=')?.trim_start();
    after.strip_prefix('"')?.split('"').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_dependency_is_read() {
        let manifest = "[package]\nname = \"a\"\n[dependencies]\nburn.workspace = true # the one\nx = { version = \"1\", package = \"banach-solve\" }\n\n[target.'cfg(unix)'.dependencies]\nrustix = { version = \"1\", features = [\n  \"std\",\n] }\n[dev-dependencies]\nbanach-zoo.workspace = true\n[dependencies.serde]\nversion = \"1\"\n[features]\ncuda = []\n";
        let found = dependencies(manifest);
        let names: Vec<(&str, bool)> =
            found.iter().map(|found| (found.name.as_str(), found.development)).collect();
        let expected = [
            ("burn", false),
            ("banach-solve", false),
            ("rustix", false),
            ("banach-zoo", true),
            ("serde", false),
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn published_crates_say_what_the_registry_shows() {
        let whole = "[package]\ndescription = \"d\"\nreadme = \"r\"\nkeywords = []\ncategories = []\nlicense.workspace = true\n";
        assert_eq!(unpublishable(whole), Vec::<&str>::new());
        assert_eq!(unpublishable(&whole.replace("readme", "homepage")), ["readme"]);
        assert_eq!(unpublishable("[package]\nname = \"a\"\n[x]\nreadme = 1\n").len(), SHOWN.len());
        assert_eq!(unpublishable("[package]\npublish = false\n"), Vec::<&str>::new());
    }

    #[test]
    fn imports_point_inward_never_sideways() {
        let solve = "[dependencies]\nbanach-solve.workspace = true\n";
        assert_eq!(of_crate("banach", solve), []);
        assert_eq!(of_crate("banach-program", solve).len(), 1);
        assert_eq!(of_crate("banach-cli", solve).len(), 1);
        assert_eq!(of_crate("banach-solve", "[dev-dependencies]\nbanach-zoo.workspace = true\n"), []);
        assert_eq!(of_crate("banach-solve", "[dependencies]\nbanach-zoo.workspace = true\n").len(), 1);
        assert_eq!(of_crate("xtask", "[dependencies]\nserde = \"1\"\n").len(), 1);
        assert_eq!(of_crate("banach", "[dependencies]\nburn-ir = \"0.22\"\n").len(), 1);
        assert_eq!(of_crate("banach-new", "").len(), 1);
    }
}
