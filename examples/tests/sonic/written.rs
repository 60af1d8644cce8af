//! What is written to the configuration of a switch's ports, by the server's own account.

use super::switch::Switch;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Hears every command that the server carries out.
pub(crate) struct Written<'a> {
    switch: &'a Switch,
    lines: BufReader<TcpStream>,
    marks: u32,
}

impl<'a> Written<'a> {
    /// Listens from now on.
    pub(crate) fn listen(switch: &'a Switch) -> Self {
        let mut stream = TcpStream::connect(switch.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(b"MONITOR\r\n").unwrap();
        let mut written = Self { switch, lines: BufReader::new(stream), marks: 0 };
        let mut answer = String::new();
        written.lines.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim_end(), "+OK");
        written
    }

    /// The settings of port configurations since the last call: what follows HSET and the key, in order.
    pub(crate) fn settings(&mut self) -> Vec<Vec<String>> {
        self.marks += 1;
        let mark = format!("mark-{}", self.marks);
        assert_eq!(self.switch.say(&format!("PING {mark}")), format!("${}", mark.len()));
        let mut settings = Vec::new();
        loop {
            let mut line = String::new();
            self.lines.read_line(&mut line).unwrap();
            let words: Vec<String> = line.split('"').skip(1).step_by(2).map(str::to_owned).collect();
            if words.get(1) == Some(&mark) {
                return settings;
            }
            if words.first().is_some_and(|word| word.eq_ignore_ascii_case("HSET"))
                && words.get(1).is_some_and(|key| key.starts_with("PORT|"))
            {
                settings.push(words[2..].to_vec());
            }
        }
    }
}
