//! A repository with manifests.

use std::path::PathBuf;
use std::process::Command;

pub fn manifest(name: &str, more: &str) -> String {
    format!(
        "# {name}\napiVersion: maas/v1\nkind: ModelDeployment\nmetadata:\n  name: {name}\nspec:\n  model: {{name: dga, version: \"1.0\"}}\n  payload: {{path: /models/dga}}\n{more}"
    )
}

/// A bare repository, a clone of it to push from, and a cache for mirrors.
pub struct Repository {
    pub directory: tempfile::TempDir,
}

impl Repository {
    pub fn new() -> Self {
        let repository = Self { directory: tempfile::tempdir().unwrap() };
        repository.git(&["init", "-q", "--bare", "-b", "main", "origin.git"], ".");
        repository.git(&["clone", "-q", "origin.git", "work"], ".");
        repository.git(&["checkout", "-q", "-b", "main"], "work");
        repository
    }

    pub fn git(&self, args: &[&str], inside: &str) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.directory.path().join(inside))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs([("GIT_AUTHOR_NAME", "ann"), ("GIT_AUTHOR_EMAIL", "ann@example.com")])
            .envs([("GIT_COMMITTER_NAME", "ann"), ("GIT_COMMITTER_EMAIL", "ann@example.com")])
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.directory.path().join("origin.git").display())
    }

    pub fn work(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Commits all there is and pushes it; gives the commit.
    pub fn push(&self, message: &str) -> String {
        self.git(&["add", "-A"], "work");
        self.git(&["commit", "-q", "--allow-empty", "-m", message], "work");
        self.git(&["push", "-q", "origin", "main"], "work");
        self.git(&["rev-parse", "HEAD"], "work")
    }

    /// Makes `names` the only manifests, each with `more`.
    pub fn fleet(&self, names: &[String], more: &str) {
        let models = self.work().join("models");
        let _ = std::fs::remove_dir_all(&models);
        for name in names {
            self.write(&format!("models/{name}.yaml"), &manifest(name, more));
        }
    }

    pub fn cache(&self) -> PathBuf {
        self.directory.path().join("cache")
    }
}
