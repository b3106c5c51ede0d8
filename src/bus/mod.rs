//! D-Bus: units of systemd, asked and told over the system bus.
