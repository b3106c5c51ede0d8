//! Certificates by the openssl command, good ones and bad ones.

use std::process::Command;

use crate::stage::Stage;

const CA: &str = "[ca]\ndefault_ca = d\n[d]\ndatabase = DIR/index.txt\nnew_certs_dir = DIR\ndefault_md = sha256\n\
    policy = p\nunique_subject = no\ncopy_extensions = copy\n\
    rand_serial = yes\n[p]\ncommonName = supplied\n";

fn openssl(args: &[&str]) {
    let output = Command::new("openssl").args(args).output().unwrap();
    assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A new key of the usual kind and a certificate that it signs itself, with these further arguments.
fn self_made(arguments: &[&str]) {
    let request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    openssl(&[&request[..], arguments].concat());
}

impl Stage {
    /// An authority `NAME.pem` with its key `NAME.key`.
    pub(crate) fn authority(&self, name: &str) {
        let (key, cert) = (self.path(&format!("{name}.key")), self.path(&format!("{name}.pem")));
        let subject = format!("/CN={name}");
        self_made(&["-days", "30", "-subj", &subject, "-keyout", &key, "-out", &cert]);
        self.file("ca.cnf", &CA.replace("DIR", self.directory.to_str().unwrap()));
        self.file("index.txt", "");
    }

    /// A certificate `NAME.pem` for a server that signed it itself, which by default says that it is an authority.
    pub(crate) fn self_signed(&self, name: &str, names: &str, days: &str) {
        let (key, cert) = (self.path(&format!("{name}.key")), self.path(&format!("{name}.pem")));
        let extension = format!("subjectAltName={names}");
        let subject = format!("/CN={name}");
        let subject_of = ["-subj", &subject, "-addext", &extension];
        self_made(&[&["-days", days, "-keyout", &key, "-out", &cert], &subject_of[..]].concat());
    }

    /// A certificate `NAME.pem` by `authority` for `names`, such as `DNS:www.example.net`, with its key `NAME.key` and
    /// both in `NAME.both`; valid from one year to the next.
    pub(crate) fn certificate(&self, name: &str, authority: &str, names: &str, years: (u16, u16)) {
        let path = |ending: &str| self.path(&format!("{name}.{ending}"));
        let (subject, extension) = (format!("/CN={name}"), format!("subjectAltName={names}"));
        openssl(&[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            &subject,
            "-addext",
            &extension,
            "-keyout",
            &path("key"),
            "-out",
            &path("csr"),
        ]);
        let (from, to) = (format!("{}0101000000Z", years.0), format!("{}0101000000Z", years.1));
        let (ca, key) = (self.path(&format!("{authority}.pem")), self.path(&format!("{authority}.key")));
        openssl(&[
            "ca",
            "-config",
            &self.path("ca.cnf"),
            "-batch",
            "-notext",
            "-cert",
            &ca,
            "-keyfile",
            &key,
            "-startdate",
            &from,
            "-enddate",
            &to,
            "-in",
            &path("csr"),
            "-out",
            &path("pem"),
        ]);
        let both = ["pem", "key"].map(|ending| std::fs::read_to_string(path(ending)).unwrap()).concat();
        self.file(&format!("{name}.both"), &both);
    }
}
