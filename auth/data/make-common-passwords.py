#!/usr/bin/env python3
"""Writes common-passwords.txt: 10,000 passwords that people choose, lower case, sorted by bytes, one a line.

No leaked corpus is copied. Part one is typed in below: the passwords that every published "most used" list of the last
years agrees on, keyboard walks and digit runs. Part two is generated from the words such lists are made of (first names,
animals, sports, teams, colours, months, school words, a few languages) and the endings people put behind them, in the
order of how usual the ending is, until the list is full. Run it again after an edit: it is deterministic.
"""
import itertools, pathlib

TYPED = """
123456 123456789 12345678 password qwerty123 qwerty1 111111 12345 secret 123123 1234567890 1234567 000000 qwerty abc123 password1 iloveyou 11111111
dragon monkey 123123123 123321 qwertyuiop 00000000 654321 target123 tinkle 1g2w3e4r gwerty123 zag12wsx gwerty 666666 987654321 555555 1q2w3e4r 7777777 1q2w3e4r5t
1q2w3e princess computer michael football baseball welcome welcome1 admin admin123 letmein master sunshine shadow superman batman trustno1 passw0rd p@ssw0rd p@ssword
p@55w0rd pa55word pa55w0rd passwort passwort1 motdepasse contrasena senha senha123 parola haslo wachtwoord losenord salasana azerty azerty123 azertyuiop qwertz qwertz123
qwertzuiop asdfgh asdfghjkl asdf1234 asdfasdf zxcvbn zxcvbnm zxcvbnm123 qazwsx qazwsxedc qaz123 1qaz2wsx 1qaz2wsx3edc 1qazxsw2 zaq12wsx zaq1zaq1 !qaz2wsx q1w2e3r4 q1w2e3r4t5
q1w2e3 qweasd qweasdzxc qwe123 qweqwe qwer1234 qwert qwert123 qwerty12 qwerty1234 qwerty12345 qwerty123456 asd123 asdasd asdasd123 zxc123 zxczxc 147258369 159753 147852 147852369
258456 789456 789456123 741852963 951753 963852741 321321 112233 11223344 1122334455 121212 12121212 131313 101010 10101010 123654 123654789 159357 232323 252525 222222 333333 444444
777777 888888 88888888 999999 99999999 987654 98765432 9876543210 0987654321 0123456789 01234567 012345 12341234 12344321 123454321 1234554321 1234512345 12345679 123456a 123456aa
123456abc 12345a 12345q 12345qwert 1234qwer 123qwe 123qweasd 123qweasdzxc 123abc 123asd 1a2b3c 1a2b3c4d 1password 1qwerty 2000 2222222 22222222 33333333 44444444 55555555 55555 66666666
77777777 a123456 a1234567 a12345678 a123456789 a1b2c3 a1b2c3d4 aa123456 aa12345678 aaa111 aaaaaa aaaaaaaa abc12345 abc123456 abc1234 abcd123 abcd1234 abcde abcdef abcdefg abcdefgh
abcdefghi abcdefg1 access access14 action adidas administrator admin1 admin1234 admin12345 adminadmin root toor guest guest123 user user123 test test1 test12 test123 test1234 test12345
testtest testing testing1 temp temp123 temporary changeme changeme1 changeme123 change123 default letmein1 letmein123 letmein2 letmein! iloveyou1 iloveyou2 iloveyou! iloveme ihateyou
iloveu ilovegod ilovemyself ilovemom iloveschool ihateschool lovely love123 loveme loveyou lover lover1 lovers forever forever1 friends friends1 friendship family family1 myfamily
mother father mommy daddy mylove mypassword mypass mypassword1 mysecret nopassword nopass password! password12 password123 password1234 password12345 password123456 password2 password3
password01 password11 password21 password22 password99 passwords passpass pass pass1 pass12 pass123 pass1234 pass12345 passw0rd1 passw0rd123 p4ssword p4ssw0rd p@ss p@ss123 p@ss1234
p@ssw0rd1 p@ssw0rd123 p@ssword1 secret1 secret12 secret123 supersecret topsecret sesame opensesame openup enter welcome12 welcome123 welcome1234 welcome2 welcome! hello hello1 hello12 hello123
hello1234 helloworld hellohello hallo hallo123 hallo1234 hola hola123 bonjour bonjour1 salut ciao ciao123 ciaociao namaste salam jesus jesus1 jesus123 jesuschrist christ blessed blessed1 heaven
angel angel1 angels faith grace godisgood thegod allah allah123 bismillah krishna waheguru sairam saibaba jaimatadi omsairam india india123 pakistan pakistan1 bangladesh
trustnoone starwars starwars1 startrek pokemon pokemon1 pokemon123 pikachu charizard naruto naruto1 onepiece dragonball dragonballz goku minecraft minecraft1 roblox roblox123 fortnite fortnite1 fortnite123
callofduty halo halo123 zelda mario supermario sonic tetris playstation playstation2 nintendo xbox xbox360 gamer gamer123 gaming gameover player player1 letsplay warcraft counterstrike
batman1 superman1 spiderman spiderman1 ironman hulk thor avengers captain wolverine xmen joker joker123 harrypotter hermione gandalf frodo lordoftherings matrix neo trinity morpheus skywalker vader
yoda darthvader anakin chewie whatever whatever1 nothing something anything everything nobody somebody blahblah bla blabla computer1 internet internet1 google google1 google123 facebook
facebook1 youtube twitter instagram tiktok snapchat apple apple123 iphone samsung samsung1 nokia lenovo windows windows10 microsoft linux ubuntu oracle system server network database
monday tuesday wednesday thursday friday saturday sunday school school1 school123 myschool highschool college student student1 student123 students teacher teacher1 teacher123 teachers classroom class123
principal homework lehrer schule schule1 schule123 ecole ecole123 escuela escola scuola skola szkola library office office1 office123 staff123 parent123 parents pupil guardian education
chocolate chocolate1 cookie cookie1 cookies candy sugar honey banana banana1 orange cherry strawberry pepper pepper1 peanut cheese coffee butter pizza sausage pumpkin
liverpool liverpool1 chelsea chelsea1 arsenal arsenal1 barcelona realmadrid juventus manchester manutd manunited everton celtic rangers rangers1 steelers yankees redsox lakers cowboys eagles1
ferrari porsche mercedes bmw bmw123 audi honda toyota corvette mustang mustang1 harley yamaha kawasaki ducati nissan camaro
flower flowers flower1 butterfly butterfly1 rainbow rainbow1 summer summer1 summer123 winter winter1 winter123 spring spring1 autumn autumn1 snow snowball snowman sunshine1 sunflower moonlight starlight
tigger tigger1 tiger tiger1 lion lion123 panther panther1 eagle eagle1 falcon phoenix phoenix1 unicorn kitten kitty hellokitty puppy puppy1 dolphin dolphin1 turtle turtle1 rabbit bunny bunny1 wolf wolves
ginger ginger1 buster buster1 max max123 charlie1 bailey1 maggie1 lucky lucky1 lucky7 sparky snoopy scooby scoobydoo garfield bubbles precious peaches angel123 babygirl babygirl1 babyboy babe baby
princess1 princess123 queen queen1 king king123 prince1 cutie cutiepie sweetheart sweety sweetie beautiful beautiful1 pretty gorgeous handsome sexy hotstuff
fuckyou fuckyou1 fuckyou2 fuckoff fuckme asshole bitch bitch1 shit bullshit biteme suckit
1234 1111 0000 1212 7777 1004 2580 6969 696969 69696969 159159 147147 258258 369369 456456 456789 789789 789987 852456 852852 951951 963963 135790 13579 1357924680 246810 24681012 314159 3141592 31415926
qwaszx qwaszx12 zaqwsx zaqxsw zaqxswcde xsw2zaq1 1q1q1q1q 1q2w3e4r5t6y 1qaz1qaz 1qaz!qaz 2wsx3edc 3edc4rfv qwe123qwe qweqweqwe poiuytrewq poiuyt lkjhgfdsa lkjhgf mnbvcxz mnbvcx ytrewq
asdfghjkl1 asdfgh1 asdfg asdfg123 asdf asdf123 asdfjkl asdfjkl; zxcv zxcvb zxcv1234 zxcvbnm1 zxcvbnm, qwerty! qwerty1! qwerty123! 1qwertyuiop azertyui azerty1 qsdfghjklm wxcvbn aqwzsx
abc abc1 abcabc abc123abc abcd12345 abcde123 abcde12345 abcdef1 abcdef123 xxxxxx xxxxxxxx zzzzzz zzzzzzzz qqqqqq qqqqqqqq wwwwww ssssss dddddd ffffff bbbbbb cccccc llllll mmmmmm nnnnnn pppppp tttttt
112112 11111 1111111 111111111 1111111111 123123a 123123q 1231234 12312312 123456123 123456123456 1234561 12345612 12345654321 123456654321 1234567a 1234567q 12345678a 12345678q 123456789a
123456789abc 123456789q 12345678900 12345678901 123456789123 123456789012 1234567891 12345678910 1234567899 123456789z 1234569 123457 12345abc 12345678abc 1234abcd 1234asdf 1234567890a 1234567890q
""".split()

NAMES = """aaron adam adrian ahmed aisha alan albert alejandro alex alexander alexandra alexis alfred ali alice alicia alina alisha amanda amber amelia amina amit amy ana anastasia andre andrea andreas andrei
andrew andy angela angelina angelo anita anna anne annie anthony antonio april ariana arjun arthur arun ashley ashok austin barbara beatriz ben benjamin bernard beth bill billy bobby brandon brenda
brian brittany bruno bryan cameron camila carina carl carla carlos carmen carol carolina caroline casey catherine cecilia cesar chantal charles charlie charlotte chloe chris christian christina
christine christopher claire clara claudia claudio connor cristian cristina crystal dana daniel daniela danielle danny david dean deborah deepak denis dennis derek diana diego dmitry dominic donald donna
dorothy dylan eduardo edward elena eli elias elisabeth elizabeth ella ellen elliot emil emilia emily emma enrique eric erica erik erika ernesto esther eugene eva evelyn fabian fabio fatima felipe felix
fernanda fernando fiona florian frances francesca francesco francis francisco frank franklin fred gabriel gabriela gary george gerald gina giovanni giulia gloria gonzalo gordon grace graham grant greg
gregory guillaume gustavo hannah harold harry hassan heather hector heidi helen helena henry hugo ian ibrahim igor ines ingrid irene iris isaac isabel isabella ivan jack jackie jackson jacob jacqueline
jaime jake james jamie jan jane janet janine jasmine jason javier jay jean jeff jeffrey jenna jennifer jenny jeremy jerry jesse jessica jessie jill jim jimmy joan joanna joao joe joel johanna john johnny
jonas jonathan jordan jorge jose joseph josh joshua joyce juan juan julia julian juliana julie julien juliette justin kai karen karim karin karina karl karthik kate katherine kathleen kathryn katie katja kavita
kayla keith kelly ken kenneth kevin khalid kim kimberly kiran klaus kristin kristina kumar kyle lara larry laura lauren laurent lea leah lee lena leo leon leonard leonardo leonie leslie lewis liam lily linda
lisa logan lola lorenzo louis louise luca lucas lucia lucy luis luisa luke lukas lydia madison manuel marc marcel marcelo marco marcos marcus margaret maria mariah mariam mariana marie marina mario marion
mark marlene marta martha martin martina marvin mary maryam mateo mathias matt matthew matthias maurice max maya megan mehmet melanie melissa mercedes mia michaela micheal michel michelle miguel mike mila
miranda mitchell mohamed mohammad mohammed molly monica monika morgan moritz muhammad mustafa nadia nadine nancy naomi natalia natalie natasha nathan nathalie neha nelson nicholas nick nicola nicolas nicole
nina nisha noah noel nora norman oliver olivia omar oscar otto owen pablo pamela paola patricia patrick paul paula pauline pedro peter petra philip philipp philippe phillip pierre pooja prakash pranav
prashant preeti priya rachel rafael rahul raj rajesh ralph ramon randy raquel raul ravi raymond rebecca reza ricardo richard rita rob robert roberta roberto robin rodrigo roger rohan rohit roland roman
ronald rosa rose ross roy ruben russell ruth ryan sabine sabrina sachin sally sam samantha samir samuel sandra sandro sanjay santiago sara sarah sascha scott sean sebastian selena serena sergey sergio
shane shannon sharon shaun sheila shirley shreya sierra silvia simon simone sofia sonia sophia sophie stacey stefan stefanie stella stephanie stephen steve steven stuart sunil suresh susan susanne suzanne
sven sylvia tamara tania tanja tanya tara tatiana taylor teresa terry theo theodore theresa thomas tim timothy tina tobias todd tom tommy toni tony tracy travis trevor tristan tyler ursula valentin valentina
valeria valerie vanessa vera veronica vicky victor victoria vijay vikram vincent viola virginia vivian vladimir walter wanda wayne wendy werner wesley wilhelm william willow xavier yasmin yolanda yusuf
yvonne zachary zainab zoe""".split()

WORDS = """password welcome dragon monkey master shadow sunshine princess football baseball basketball hockey soccer tennis volleyball cricket rugby swimming dancing dancer ballet karate
superman batman spiderman hunter ranger soldier killer warrior knight ninja samurai pirate wizard legend hero rebel rocket racing biker cowboy diesel viper cobra python tiger lion leopard panther jaguar
cheetah wolf fox bear panda koala eagle falcon hawk raven phoenix unicorn pegasus horse pony donkey kitten kitty puppy doggy doggie rabbit bunny hamster dolphin whale shark turtle penguin
elephant giraffe zebra monkeys spider scorpion butterfly ladybug dragonfly chicken rooster parrot red blue green yellow orange purple violet silver golden black white pink crimson scarlet indigo
january february march april may june july august september october november december monday tuesday wednesday thursday friday saturday sunday spring summer autumn winter christmas easter halloween
holiday birthday vacation weekend morning midnight midday sunrise sunset moon stars galaxy planet saturn jupiter mercury venus mars neptune pluto comet cosmos universe earth ocean river mountain
forest island beach desert storm thunder lightning tornado hurricane rain rainbow cloud snow winterland fire flame blaze inferno water crystal diamond ruby emerald sapphire pearl jewel treasure gold
money dollar million cash rich lucky fortune casino poker joker ace king queen prince princess angel angels devil demon satan heaven hell jesus god faith hope love lovely lover loving peace freedom
liberty justice truth wisdom power energy strong mighty magic mystic secret secure access login system computer laptop keyboard internet network server google apple windows samsung android iphone
mobile phone camera music guitar piano violin drummer singer rock metal hiphop reggae disco jazz concert movie cinema star superstar actor artist painter writer poet doctor nurse lawyer
engineer police fireman pilot captain sailor driver trucker farmer teacher student school college university education library office manager director president family mother father sister brother
mommy daddy mama papa grandma grandpa baby babygirl babyboy cutie sweetie honey sugar candy cookie chocolate vanilla banana apple cherry peach mango melon lemon strawberry blueberry raspberry pineapple
coconut tomato potato carrot pepper pumpkin pizza burger cheese butter bacon chicken coffee tea milk whiskey vodka tequila brandy wine cocktail london paris berlin madrid rome vienna zurich moscow
athens dublin lisbon warsaw prague budapest newyork boston chicago dallas denver houston miami texas florida california canada toronto montreal mexico brazil argentina chile peru colombia spain france
germany italy england scotland ireland wales sweden norway denmark finland poland russia ukraine turkey egypt israel iran india delhi mumbai chennai kolkata punjab kerala pakistan nepal china japan tokyo korea
thailand vietnam indonesia malaysia singapore australia sydney melbourne africa nigeria kenya ghana barcelona liverpool chelsea arsenal juventus milan bayern dortmund schalke madrid manchester
lakers bulls yankees cowboys eagles steelers packers raiders broncos patriots giants falcons ravens ferrari porsche mercedes mustang corvette yamaha honda toyota nissan suzuki jordan nike
adidas puma pokemon pikachu naruto sasuke minecraft creeper roblox fortnite zelda mario sonic halo matrix starwars jedi skywalker vader yoda gandalf frodo hogwarts potter
schatz liebe sonne mond stern katze hund maus baer pferd schule fussball sommer winter amour soleil chocolat bonjour maison chien chat fleur amor corazon estrella familia futbol gatito perro princesa
gatinha brasil flamengo cachorro familia amore juventus stella bella ciao tesoro natale kochanie misiek polska lubie slonce solnce lyubov privet parol marhaba habibi yalla
""".split()

ENDINGS = ["1", "123", "", "12", "1234", "!", "01", "2", "12345", "11", "7", "123!", "2024", "2025", "3", "99", "13", "00", "10", "22", "5", "69", "77", "88", "2023", "2020", "2000", "123456", "1!", "2026", "21", "23", "07", "08", "09", "2010", "2012", "4", "8", "9"]


def main():
    seen, out = set(), []
    def add(p, shortest=4):
        if len(p) >= shortest and p not in seen and len(out) < 10_000:
            seen.add(p)
            out.append(p)
    for p in TYPED:
        add(p.lower())
    for n in range(1950, 2031):
        add(str(n) * 2)
    words = sorted(set(NAMES) | set(WORDS))
    for ending in ENDINGS:
        for w in words:
            add(w + ending, 8)  # shorter ones fall to auth.password_min anyway
    assert len(out) == 10_000, len(out)
    path = pathlib.Path(__file__).with_name("common-passwords.txt")
    path.write_text("\n".join(sorted(out, key=lambda p: p.encode())) + "\n", encoding="utf-8")


main()
