/// `edge export`: prints the links of a running node as they come. Returns the exit status.
package func runExport(_ request: ExportCommandRequest) -> Int32 {
    func failed(_ message: String) -> Int32 {
        StandardStream.error.write("edge export: \(message)\n")
        return ExitStatus.failed
    }
    var lineEnds = 0
    do {
        let client = CommandClient(server: request.server, key: try HeldKey.read(file: request.keyFile))
        let answer = try client.stream("GET", request.target) { bytes in
            guard StandardStream.output.write(bytes) else { throw MoveError(description: "nobody takes the output") }
            lineEnds += bytes.count { $0 == UInt8(ascii: "\n") }
        }
        if let refusal = answer.refusal { return failed("http://\(request.server): \(refusal.refusal)") }
        guard answer.trailer.isEmpty else {
            let count = answer.trailer.filter(\.isNumber)
            return failed("\(count) links are damaged and left out; edge verify names them")
        }
        return ExitStatus.done
    } catch let error as CommandClientError {
        let hint = lineEnds > 0 ? "; go on with --after and the code of the last whole line" : ""
        return failed("http://\(request.server): \(error)\(hint)")
    } catch {
        return failed("\(error)")
    }
}

extension ExportCommandRequest {
    /// Path and query.
    package var target: String {
        let values = [("format", format), ("owner", owner ?? ""), ("after", after ?? "")]
        return "/api/v1/urls/export?"
            + values.filter { !$0.1.isEmpty }.map { "\($0.0)=\(Self.encoded($0.1))" }.joined(separator: "&")
    }

    private static func encoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            if byte.isLetterOrDigit || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") {
                encoded.unicodeScalars.append(UnicodeScalar(byte))
            } else {
                encoded += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return encoded
    }
}
