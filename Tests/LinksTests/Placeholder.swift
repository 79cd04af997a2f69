import Testing
import Links
@Test func placeholder() { #expect(Bool(true)) }
