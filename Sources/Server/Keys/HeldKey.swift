import Glibc
import Links

/// Why a command has no key to show.
struct HeldKeyError: Error, CustomStringConvertible {
    let description: String
}

/// The API key that a command shows to a node. Never an argument, which other users of the machine could see.
enum HeldKey {
    static let variable = "EDGE_KEY"
    /// Of a file with a key: none is shorter, and what is longer is something else.
    private static let fileBytes = 32...4096

    /// From the file, else from the environment; nil if neither is given. What is no key is not sent anywhere.
    static func read(file: String?) throws(HeldKeyError) -> String? {
        let (text, source): ([UInt8], String)
        if let file {
            do throws(SecretFileError) {
                (text, source) = (try SecretFile.read(file, sizes: fileBytes, user: nil), file)
            } catch {
                throw HeldKeyError(description: error.description)
            }
        } else if let value = getenv(variable), value.pointee != 0 {
            (text, source) = (Array(String(cString: value).utf8), variable)
        } else {
            return nil
        }
        guard let key = KeyText(text) else {
            throw HeldKeyError(description: "\(source): this is no key as edge key create prints it")
        }
        return key.text
    }
}
