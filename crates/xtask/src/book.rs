//! The site of the book: built by mdBook where it is installed, and the links of its pages followed.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

/// Builds the book into `target/book`, and checks that every link inside the site leads to a file and a heading.
pub(crate) fn check(root: &Path) -> Result<String, String> {
    let site = root.join("target/book");
    let mut command = Command::new("mdbook");
    command.current_dir(root).args(["build", "book", "--dest-dir"]).arg(&site);
    let output = match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok("not built: mdbook is not installed (`cargo install mdbook --locked`)".into());
        }
        other => other.map_err(|error| format!("mdbook could not be started: {error}"))?,
    };
    let told =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    if !output.status.success() || complains(&told) {
        return Err(format!("{told}mdbook ended with {}, expected success without a warning", output.status));
    }
    let mut pages = BTreeMap::new();
    read(&site, &site, &mut pages).map_err(|error| format!("{}: {error}", site.display()))?;
    let broken = broken_links(&pages);
    if broken.is_empty() {
        let chapters = pages.values().filter(|text| text.is_some()).count();
        Ok(format!("{chapters} pages, every link leads somewhere"))
    } else {
        Err(format!("{}\n{} broken links: mend them in book/src", broken.join("\n"), broken.len()))
    }
}

/// The files of a site by their paths, with the texts of pages.
type Pages = BTreeMap<String, Option<String>>;

fn read(site: &Path, folder: &Path, pages: &mut Pages) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read(site, &path, pages)?;
            continue;
        }
        let parts = path.strip_prefix(site).unwrap_or(&path).iter().map(|part| part.to_string_lossy());
        let name = parts.collect::<Vec<_>>().join("/");
        let text = if name.ends_with(".html") { Some(std::fs::read_to_string(&path)?) } else { None };
        pages.insert(name, text);
    }
    Ok(())
}

/// Whether mdBook reports an error or a warning; it goes on after a file that cannot be included.
fn complains(told: &str) -> bool {
    told.lines().any(|line| {
        line.split_whitespace().any(|word| matches!(word, "ERROR" | "WARN" | "[ERROR]" | "[WARN]"))
    })
}

/// Links that lead to no file of the site, or to no heading of its page.
fn broken_links(pages: &Pages) -> Vec<String> {
    let mut found = vec![];
    for (page, text) in pages.iter().filter_map(|(page, text)| Some((page, text.as_ref()?))) {
        // The page for missing addresses stands at any depth, and the printed book repeats the chapters.
        if matches!(page.as_str(), "404.html" | "print.html") {
            continue;
        }
        for link in links(text) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            // Links to files of the repository leave the site; the rooms check follows them in the sources.
            let Some(target) = (if file.is_empty() { Some(page.clone()) } else { beside(page, file) }) else {
                continue;
            };
            let Some(text) = pages.get(&target) else {
                found.push(format!("{page}: links to {link}, and the site has no {target}"));
                continue;
            };
            let has_heading = |text: &String| text.contains(&format!("id=\"{heading}\""));
            if !heading.is_empty() && text.as_ref().is_some_and(|text| !has_heading(text)) {
                found.push(format!("{page}: links to {link}, and {target} has no heading {heading}"));
            }
        }
    }
    found
}

/// The links of a page that stay inside the site.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let all = text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    all.filter(|link| !link.contains(':') && !link.starts_with("//") && !link.is_empty())
}

/// A relative address that is written on a page, from the root of the site; none outside the site.
fn beside(page: &str, address: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in address.split('/') {
        match part {
            ".." => drop(parts.pop()?),
            "." | "" => {}
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(links: &str) -> Vec<String> {
        let page = |text: &str| Some(text.to_owned());
        let pages = [
            ("index.html", page(links)),
            ("part/a.html", page("<h2 id=\"errors\">")),
            ("style.css", None),
            ("print.html", page("href=\"gone.html\"")),
        ];
        broken_links(&pages.into_iter().map(|(name, text)| (name.to_owned(), text)).collect())
    }

    #[test]
    fn links_lead_to_files_and_headings() {
        let sound =
            "<a href=\"part/a.html#errors\"> <link href=\"style.css\"> <a href=\"https://example.org/x\">";
        assert_eq!(broken(sound), Vec::<String>::new());
        assert_eq!(broken("<a href=\"part/b.html\">").len(), 1);
        assert_eq!(broken("<a href=\"part/a.html#panics\">").len(), 1);
        assert_eq!(broken("<a href=\"#here\">").len(), 1);
        assert_eq!(broken("<a href=\"../README.html\">"), Vec::<String>::new());
        assert_eq!(
            broken("<h1 id=\"here\"><a href=\"#here\"> <a href=\"./part/../style.css\">"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn warnings_of_mdbook_are_failures() {
        assert!(complains("2026-11-27 06:00:00 [ERROR] (mdbook::preprocess::links): Error updating"));
        assert!(complains("ERROR Error updating \"{{#include a.rs}}\""));
        assert!(!complains(" INFO Book building has started\n INFO Running the html backend"));
    }
}
