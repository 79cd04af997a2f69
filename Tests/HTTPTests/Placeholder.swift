import HTTP
import Testing

@Test func placeholder() { #expect(Bool(true)) }
