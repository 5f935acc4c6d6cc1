// What a refusal means to the person at the page.

export function explain(problem) {
  const wait = problem.retryAfterSeconds;
  switch (problem.kind) {
    case 'muted':
      return 'A moderator has muted you here.';
    case 'blocked':
      return 'This comment can’t be posted here: it has something in it that this site does not allow.';
    case 'repeated':
      return `You have just said this. ${wait ? `You can say it again in ${wait} s.` : ''}`.trim();
    case 'slow-mode':
      return wait ? `Slow mode is on. You can post again in ${wait} s.` : 'Slow mode is on. Wait a moment.';
  }
  switch (problem.status) {
    case 0:
      return 'The server can’t be reached.';
    case 400:
      return `The server did not accept this: ${problem.detail}`;
    case 401:
      return 'You are signed out. Choose a name to go on.';
    case 403:
      return 'You are not allowed to do this here. A moderator may have muted you for a while.';
    case 404:
      return 'This is not here any more.';
    case 409:
      return 'This live video has ended, so it takes no more comments.';
    case 413:
      return 'This comment is too large. Shorten it and post it again.';
    case 429:
      return wait
        ? `A little too fast. You can post again in ${wait} s.`
        : 'A little too fast. Wait a moment and post it again.';
    case 503:
      return 'The server can’t save comments right now.';
    default:
      return `Something went wrong (${problem.status}). ${problem.detail}`;
  }
}
