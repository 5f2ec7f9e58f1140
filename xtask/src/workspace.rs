//! What does the workspace consist of? Asked of `cargo metadata`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// The workspace as cargo sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One member.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Relative to the root, `/` between the parts.
    pub(crate) folder: String,
    /// Members that it names as dependencies, of any kind.
    pub(crate) members: Vec<String>,
    pub(crate) targets: Vec<Target>,
}

/// Something that cargo builds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// `lib`, `bin`, `test`, `bench`, `example`, ...
    pub(crate) kind: String,
    /// Relative to the root.
    pub(crate) source: String,
}

impl Workspace {
    /// # Errors
    /// `cargo metadata` fails, for example because a manifest is wrong.
    pub(crate) fn load() -> Result<Self, String> {
        let output = Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .map_err(|e| format!("cannot start cargo: {e}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let json: Value = serde_json::from_slice(&output.stdout)
            .map_err(|e| format!("cargo metadata wrote no JSON: {e}"))?;
        let root = PathBuf::from(text(&json["workspace_root"]));
        let target = PathBuf::from(text(&json["target_directory"]));
        let list = list(&json["packages"]);
        let names: Vec<String> = list.iter().map(|package| text(&package["name"])).collect();
        let packages = list.iter().map(|package| read_package(package, &root, &names)).collect();
        Ok(Self { root, target, packages })
    }

    /// Where cargo puts a program of ours.
    pub(crate) fn program(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(profile).join(name)
    }
}

fn read_package(package: &Value, root: &Path, names: &[String]) -> Package {
    let manifest = PathBuf::from(text(&package["manifest_path"]));
    let members = list(&package["dependencies"])
        .iter()
        .map(|dependency| text(&dependency["name"]))
        .filter(|name| names.contains(name))
        .collect();
    let targets = list(&package["targets"])
        .iter()
        .map(|target| Target {
            name: text(&target["name"]),
            kind: text(&target["kind"][0]),
            source: relative(Path::new(&text(&target["src_path"])), root),
        })
        .collect();
    let folder = manifest.parent().map_or_else(String::new, |folder| relative(folder, root));
    Package { name: text(&package["name"]), folder, members, targets }
}

/// `path` below `root`, with `/` between its parts.
pub(crate) fn relative(path: &Path, root: &Path) -> String {
    let inner = path.strip_prefix(root).unwrap_or(path);
    inner.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
