import HTTP

/// An answer that is always the same but for its date, rendered once for every form that it can have.
struct FixedAnswer {
    /// A form's bytes, those of a HEAD's answer first.
    private struct Text {
        let bytes: [UInt8]
        let headCount, dateOffset: Int

        init(_ response: Response, _ form: Response.Form) {
            var bytes: [UInt8] = []
            response.append(to: &bytes, form: form, date: FixedAnswer.placeholder.span.bytes)
            self.bytes = bytes
            headCount = bytes.count - response.body.count
            dateOffset = bytes.withUnsafeBytes { bytes in
                let length = FixedAnswer.placeholder.count
                return (0...bytes.count - length).first {
                    bytes[$0..<$0 + length].elementsEqual(FixedAnswer.placeholder)
                }!
            }
        }
    }

    /// As long as a date, and nothing that stands in an answer.
    private static let placeholder = [UInt8](repeating: 1, count: 29)

    let status: Int
    private let closing, keptAlive, keptAliveOld: Text

    init(_ response: Response) {
        status = response.status
        func text(_ minorVersion: UInt8, keepsAlive: Bool) -> Text {
            Text(response, Response.Form(isHead: false, minorVersion: minorVersion, keepsAlive: keepsAlive))
        }
        (closing, keptAlive) = (text(1, keepsAlive: false), text(1, keepsAlive: true))
        keptAliveOld = text(0, keepsAlive: true)
    }

    /// `marks`, `more`: field lines, each behind a CRLF.
    func append(
        _ form: Response.Form, date: [UInt8], marks: [UInt8], _ more: [UInt8], to output: inout OutputBuffer
    ) {
        if !form.keepsAlive {
            append(closing, form, date, marks, more, &output)
        } else {
            append(form.minorVersion == 0 ? keptAliveOld : keptAlive, form, date, marks, more, &output)
        }
    }

    private func append(
        _ text: Text, _ form: Response.Form, _ date: [UInt8], _ marks: [UInt8], _ more: [UInt8],
        _ output: inout OutputBuffer
    ) {
        text.bytes.withUnsafeBytes { bytes in
            output.append(UnsafeRawBufferPointer(rebasing: bytes[..<text.dateOffset]))
            output.append(date)
            output.append(marks)
            output.append(more)
            let rest = text.dateOffset + date.count
            output.append(
                UnsafeRawBufferPointer(rebasing: bytes[rest..<(form.isHead ? text.headCount : bytes.count)]))
        }
    }
}
