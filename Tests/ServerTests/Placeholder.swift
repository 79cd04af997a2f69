import Testing
import Server
@Test func placeholder() { #expect(Bool(true)) }
