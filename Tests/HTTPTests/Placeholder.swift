import Testing
import HTTP
@Test func placeholder() { #expect(Bool(true)) }
