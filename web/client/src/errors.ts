/** What went wrong, as in the native client. */
export type ErrorKind =
  | 'invalid-argument' // something unusable was given
  | 'unsupported' // it asks for more than this client does, or more trust than its options give
  | 'range'
  | 'file'
  | 'network' // refused, cut off, not trusted
  | 'timeout' // the server did not answer in time
  | 'protocol' // the server does not follow the protocol, or speaks another version
  | 'remote' // the server reported an error: no such model, access denied, budget spent, ...
  | 'cancelled'
  | 'internal'; // a defect of Flash

/** The one error of this package: a sentence, and its kind. No secret is ever in it. */
export class FlashError extends Error {
  constructor(readonly kind: ErrorKind, message: string) {
    super(message);
    this.name = 'FlashError';
  }
}
