//! What a process says, line by line.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longest line that is understood; the rest of a longer one is passed over.
const LONGEST: usize = 4_096;

/// Lines of text, however long what is said without an end of line.
#[derive(Debug)]
pub(super) struct Lines<R> {
    from: R,
    /// The line that has begun.
    begun: Vec<u8>,
    /// Read and not looked at.
    chunk: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) const fn new(from: R) -> Self {
        Self { from, begun: Vec::new(), chunk: Vec::new() }
    }

    /// The next whole line, `None` at the end. Nothing is lost when this is dropped half-way.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.chunk.iter().position(|byte| *byte == b'\n') {
                let rest = self.chunk.split_off(end + 1);
                let last = core::mem::replace(&mut self.chunk, rest);
                self.take(&last[..end]);
                return Some(String::from_utf8_lossy(&core::mem::take(&mut self.begun)).into_owned());
            }
            let seen = core::mem::take(&mut self.chunk);
            self.take(&seen);
            let mut buffer = [0; 1_024];
            let count = self.from.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
            self.chunk.extend_from_slice(&buffer[..count]);
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let room = LONGEST.saturating_sub(self.begun.len()).min(bytes.len());
        self.begun.extend_from_slice(&bytes[..room]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_and_a_long_one_is_cut() {
        let long = "x".repeat(LONGEST + 5_000);
        let text = format!("one\n\ntwo\n{long}\nthree\nno end");
        let mut lines = Lines::new(text.as_bytes());
        let mut said = Vec::new();
        while let Some(line) = lines.next().await {
            said.push(line);
        }
        assert_eq!(said, ["one", "", "two", &long[..LONGEST], "three"]);
    }
}
