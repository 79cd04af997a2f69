import Links
import Primitives

/// Reads `bytes` as the body of either form of a create, and of a change. Never traps; what is JSON here is equal to what its own
/// rendering is read as, and what is refused is a 4xx.
package func fuzzJSON(_ bytes: RawSpan) {
    let text = [UInt8](bytes)
    if let value = try? JSONValue(text) {
        var rendered: [UInt8] = []
        value.append(to: &rendered)
        let again = try? JSONValue(rendered)
        precondition(again == value, "a value must be read as what it is rendered to")
    }
    guard let policy = try? DestinationPolicy() else { preconditionFailure("no own host is malformed") }
    let space = CodeSpace(key0: 1, key1: 2, regions: [RegionCharacter(UInt8(ascii: "1"))!])
    for form in [CreateRequest.Form.full, .short] {
        do throws(RefusedRequest) {
            let (link, _) = try CreateRequest(text, form).link(policy, space, now: Instant(milliseconds: 1 << 40))
            precondition((1...Destination.maxSizeBytes).contains(link.body.destination.count))
        } catch {
            precondition((400...499).contains(error.problem.status), "no body is the server's fault")
        }
    }
    do throws(RefusedRequest) {
        let (patch, _) = try PatchRequest(text).patch(policy, now: Instant(milliseconds: 1 << 40))
        var bytes: [UInt8] = []
        patch.encode(into: &bytes)
        let again = try? LinkPatch(decoding: bytes.span.bytes)
        precondition(again == patch, "another node must read a change as it was meant")
    } catch {
        precondition((400...499).contains(error.problem.status), "no body is the server's fault")
    }
}

extension JSONValue {
    fileprivate func append(to text: inout [UInt8]) {
        switch self {
        case .null: text += Array("null".utf8)
        case .bool(let flag): text += Array(String(flag).utf8)
        case .integer(let number): text += Array(String(number).utf8)
        case .number(let number):
            // With an exponent, so that it is no whole number.
            let digits = number.isFinite ? "\(number)" : number > 0 ? "1e999" : "-1e999"
            text += Array((digits.contains("e") ? digits : digits + "e0").utf8)
        case .string(let content): text.append(jsonString: content)
        case .array(let elements):
            text.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                element.append(to: &text)
            }
            text.append(UInt8(ascii: "]"))
        case .object(let members):
            text.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                text.append(jsonString: member.key)
                text.append(UInt8(ascii: ":"))
                member.value.append(to: &text)
            }
            text.append(UInt8(ascii: "}"))
        }
    }
}
