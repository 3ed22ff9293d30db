// SPDX-License-Identifier: Apache-2.0
// Tests the simulated users: what they say, see and trust goes through the real homeserver.
import t, { type Test } from "tap";
import { startUser } from "../../scripts/homeserver/client/user.ts";
import { eventually } from "../../scripts/local/eventually.ts";
import { synapseFor } from "../matrix/synapse.ts";

t.test("on a real homeserver", async (t) => {
  const synapse = await synapseFor(t);
  if (synapse === undefined) return;
  const person = async (t: Test, name: string, options: { onlySignedDevices?: boolean } = {}) => {
    const user = await startUser({
      baseUrl: synapse.baseUrl,
      ...(await synapse.registerUser(name)),
      ...options,
    });
    t.teardown(() => user.stop());
    return user;
  };

  t.test("two people talk in an encrypted room", async (t) => {
    const alice = await person(t, "alice");
    const bob = await person(t, "bob");
    const room = await alice.createRoom({ invite: [bob.userId] });
    t.equal(await bob.invitation(), room);
    await bob.join(room);
    await alice.seesMember(room, bob.userId);
    await alice.sendText(room, "the first");
    const first = await bob.nextMessage({ room, from: alice.userId });
    t.match(first, {
      text: "the first",
      kind: "m.text",
      encrypted: true,
      failure: undefined,
      edits: undefined,
    });
    await bob.sendNotice(room, "an answer");
    t.match(await alice.nextMessage({ text: /answer/ }), {
      kind: "m.notice",
      sender: bob.userId,
      encrypted: true,
    });

    const changing = await alice.sendText(room, "before");
    t.equal((await bob.nextMessage()).id, changing);
    await alice.edit(room, changing, "after");
    t.equal(await bob.textBecomes(changing, /^aft/), "after");
    t.same(bob.textsOf(changing), ["before", "after"]);

    const reaction = await bob.react(room, changing, "🔄");
    const seen = await alice.until("the reaction", () =>
      alice.inRoom(room).find(({ id }) => id === reaction),
    );
    t.match(seen, {
      type: "m.reaction",
      encrypted: false,
      content: { "m.relates_to": { event_id: changing } },
    });

    const forged = await alice.sendUnencrypted(room, {
      type: "m.room.message",
      content: { msgtype: "m.text", body: "in the clear" },
    });
    t.match(await bob.nextMessage(), { id: forged, text: "in the clear", encrypted: false });
    t.same(
      bob.inRoom(room).filter(({ failure }) => failure !== undefined),
      [],
    );
  });

  t.test("a room without encryption carries plain messages", async (t) => {
    const carol = await person(t, "carol");
    const dave = await person(t, "dave");
    const room = await carol.createRoom({ encrypted: false });
    await carol.invite(room, dave.userId);
    await dave.join(await dave.invitation(room));
    await carol.seesMember(room, dave.userId);
    await carol.sendText(room, "one");
    await carol.sendText(room, "two");
    t.match(await dave.nextMessage({ room }), { text: "one", encrypted: false });
    t.match(await dave.nextMessage({ room }), { text: "two", encrypted: false }, "each is handed out once");
    await dave.leave(room);
    await carol.seesMember(room, dave.userId, "leave");
    const waited = await dave.nextMessage({ text: "three", seconds: 0.1 }).catch((fault: unknown) => fault);
    t.match(waited, { message: /sees a message with three: not within[\s\S]*two/ }, "says what was seen");
  });

  t.test("identities: signed devices, a reset that others notice, and clients that insist", async (t) => {
    const erin = await person(t, "erin");
    const frank = await person(t, "frank", { onlySignedDevices: true });
    await frank.crossSign();
    const room = await frank.createRoom({ invite: [erin.userId] });
    await erin.join(room);
    await frank.seesMember(room, erin.userId);
    t.match(await frank.devicesOf(erin.userId), [{ id: erin.deviceId, signedByOwner: false }]);

    const unsigned = await erin.sendText(room, "from a device that nobody signed");
    const refused = await frank.until("the refusal", () =>
      frank.inRoom(room).find(({ id, failure }) => id === unsigned && failure !== undefined),
    );
    t.match(refused, { failure: "UNSIGNED_SENDER_DEVICE", text: undefined, encrypted: true });
    const unread = await frank.sendText(room, "for signed devices alone");
    const unreadable = await erin.until("the message", () =>
      erin.inRoom(room).find(({ id, failure }) => id === unread && failure !== undefined),
    );
    t.equal(unreadable.text, undefined);

    t.equal(await erin.masterKey(), null);
    await erin.crossSign();
    const first = await erin.masterKey();
    t.match(await frank.devicesOf(erin.userId), [{ id: erin.deviceId, signedByOwner: true }]);
    await erin.sendText(room, "from a signed device");
    const read = await frank.nextMessage({ from: erin.userId, text: "from a signed device" });
    t.equal(await frank.warningAt(room, read.id), undefined);
    t.equal(await frank.identityChanged(erin.userId), false);

    await erin.crossSign();
    t.not(await erin.masterKey(), first);
    await eventually("frank's client knows of the change", () => frank.identityChanged(erin.userId));
    t.match(await frank.devicesOf(erin.userId), [{ signedByOwner: true }]);
  });

  t.test("a client goes on when the homeserver was away", async (t) => {
    const grace = await person(t, "grace");
    const heidi = await person(t, "heidi");
    const room = await grace.createRoom({ invite: [heidi.userId] });
    await heidi.join(room);
    await grace.seesMember(room, heidi.userId);
    await grace.sendText(room, "before");
    await heidi.nextMessage({ text: "before" });
    await synapse.stop("SIGKILL");
    await synapse.start();
    await grace.sendText(room, "after");
    t.match(await heidi.nextMessage({ room }), { text: "after", encrypted: true });
  });
});
